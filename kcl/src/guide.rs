//! Beyond the single call: where to start from the KCL, what to tune, which permissions are needed, and what to do when.
//!
//! Each page is a file that reads well by itself. Its links lead to other files there, and from here to the items: of two
//! definitions of a link, the first counts.

/// [`BoxProcessor`]: crate::BoxProcessor
/// [`BuildError`]: crate::BuildError
/// [`CheckpointError::IllegalPosition`]: crate::CheckpointError::IllegalPosition
/// [`CheckpointError::LeaseLost`]: crate::CheckpointError::LeaseLost
/// [`CheckpointError::Table`]: crate::CheckpointError::Table
/// [`CheckpointError::Throttled`]: crate::CheckpointError::Throttled
/// [`Checkpointer`]: crate::Checkpointer
/// [`ErrorPolicy`]: crate::ErrorPolicy
/// [`HandlerError`]: crate::HandlerError
/// [`LeaseGuard`]: crate::LeaseGuard
/// [`LeaseLost`]: crate::LeaseLost
/// [`PerKey`]: crate::PerKey
/// [`PreparedCheckpoint::commit`]: crate::PreparedCheckpoint::commit
/// [`RecordPosition`]: crate::RecordPosition
/// [`RecordProcessor`]: crate::RecordProcessor
/// [`Record::damage`]: crate::Record::damage
/// [`Record`]: crate::Record
/// [`RunError`]: crate::RunError
/// [`ShardContext`]: crate::ShardContext
/// [`ShardState::WaitingForParents`]: crate::ShardState::WaitingForParents
/// [`ShardStatus::possible_loss`]: crate::ShardStatus::possible_loss
/// [`ShutdownReport`]: crate::ShutdownReport
/// [`TableError`]: crate::TableError
/// [`Worker::builder`]: crate::Worker::builder
/// [`WorkerControl::health`]: crate::WorkerControl::health
/// [`WorkerError::LedByOthers`]: crate::WorkerError::LedByOthers
/// [`WorkerError`]: crate::WorkerError
/// [`for_each_batch`]: crate::WorkerBuilder::for_each_batch
/// [`for_each_record`]: crate::WorkerBuilder::for_each_record
/// [`lease_assignment_interval`]: crate::WorkerBuilder::lease_assignment_interval
/// [`on_event`]: crate::WorkerBuilder::on_event
/// [`on_possible_loss`]: crate::WorkerBuilder::on_possible_loss
/// [`processor`]: crate::WorkerBuilder::processor
/// [`read_budget`]: crate::WorkerBuilder::read_budget
/// [`read_share`]: crate::WorkerBuilder::read_share
/// [`ready`]: crate::WorkerControl::ready
/// [`run`]: crate::Worker::run
/// [`shutdown`]: crate::WorkerControl::shutdown
/// [`stream`]: crate::WorkerBuilder::stream
/// [events]: crate::event
///
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}

/// [`WorkerError::LeaseTableMissing`]: crate::WorkerError::LeaseTableMissing
/// [`WorkerError::LeaseTable`]: crate::WorkerError::LeaseTable
/// [`WorkerError::Stream`]: crate::WorkerError::Stream
/// [`create_table`]: crate::WorkerBuilder::create_table
/// [`failover_time`]: crate::WorkerBuilder::failover_time
/// [`lease_assignment_interval`]: crate::WorkerBuilder::lease_assignment_interval
/// [`point_in_time_recovery`]: crate::WorkerBuilder::point_in_time_recovery
/// [`table_name`]: crate::WorkerBuilder::table_name
/// [`tag`]: crate::WorkerBuilder::tag
///
#[doc = include_str!("../PERMISSIONS.md")]
pub mod permissions {}

/// [`ErrorPolicy`]: crate::ErrorPolicy
/// [`WorkerControl`]: crate::WorkerControl
/// [`WorkerControl::health`]: crate::WorkerControl::health
/// [`handler_timeout`]: crate::WorkerBuilder::handler_timeout
/// [`on_event`]: crate::WorkerBuilder::on_event
/// [`read_share`]: crate::WorkerBuilder::read_share
/// [`shards`]: crate::WorkerControl::shards
/// [`shutdown`]: crate::WorkerControl::shutdown
///
#[doc = include_str!("../RUNBOOK.md")]
pub mod runbook {}

/// [`Batch::room`]: crate::Batch::room
/// [`PerKey`]: crate::PerKey
/// [`ShardStatus::lag`]: crate::ShardStatus::lag
/// [`checkpoint_interval`]: crate::WorkerBuilder::checkpoint_interval
/// [`failover_time`]: crate::WorkerBuilder::failover_time
/// [`for_each_batch`]: crate::WorkerBuilder::for_each_batch
/// [`for_each_record`]: crate::WorkerBuilder::for_each_record
/// [`handler_timeout`]: crate::WorkerBuilder::handler_timeout
/// [`idle_time_between_reads`]: crate::WorkerBuilder::idle_time_between_reads
/// [`lease_assignment_interval`]: crate::WorkerBuilder::lease_assignment_interval
/// [`max_batch_records`]: crate::WorkerBuilder::max_batch_records
/// [`read_budget`]: crate::WorkerBuilder::read_budget
/// [`read_share`]: crate::WorkerBuilder::read_share
/// [`shutdown`]: crate::WorkerControl::shutdown
/// [`worker_id`]: crate::WorkerBuilder::worker_id
///
#[doc = include_str!("../TUNING.md")]
pub mod tuning {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The labels of the link definitions below `mark`.
    fn defined<'a>(text: &'a str, mark: &str) -> BTreeSet<&'a str> {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(mark)?.split_once("]: "));
        lines.map(|(label, _)| label).collect()
    }

    #[test]
    fn each_link_of_a_page_leads_to_an_item_here() {
        let pages = [
            include_str!("../MIGRATING.md"),
            include_str!("../PERMISSIONS.md"),
            include_str!("../RUNBOOK.md"),
            include_str!("../TUNING.md"),
        ];
        let mut modules = include_str!("guide.rs").split("pub mod ");
        for page in pages {
            let module = modules.next().unwrap();
            assert_eq!(defined(page, "["), defined(module, "/// ["));
        }
    }

    /// The sources of the events, with single blanks.
    fn event_sources() -> String {
        let sources = [
            include_str!("event/handler.rs"),
            include_str!("event/lease.rs"),
            include_str!("event/shard.rs"),
            include_str!("event/worker.rs"),
        ];
        let words = sources.iter().flat_map(|source| source.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether a macro of this level writes a line with this message.
    fn is_written(sources: &str, level: &str, message: &str) -> bool {
        let uses = sources.match_indices(message).filter_map(|(at, _)| sources.get(..at));
        let mut calls = uses.filter_map(|before| before.rsplit_once("tracing::")?.1.split_once('!'));
        calls.any(|(called, arguments)| {
            called.eq_ignore_ascii_case(level) && arguments.ends_with('"') && !arguments.contains(';')
        })
    }

    /// What stands in backticks in the page, and begins with a level.
    fn lines_of(page: &str) -> Vec<(&str, &str)> {
        let quoted = page.split('`').skip(1).step_by(2);
        let lines = quoted.filter_map(|text| text.split_once(' '));
        lines
            .filter(|(level, _)| matches!(*level, "INFO" | "WARN" | "ERROR"))
            .collect()
    }

    #[test]
    fn each_line_of_the_log_in_the_runbook_is_written_at_its_level() {
        let sources = event_sources();
        let lines = lines_of(include_str!("../RUNBOOK.md"));
        assert!(lines.len() > 25, "{lines:?}");
        for (level, message) in lines {
            let message = message.trim_end_matches('…').trim();
            assert!(is_written(&sources, level, message), "{level} {message}");
        }
    }

    /// The messages of the lines at this level.
    fn messages<'a>(sources: &'a str, level: &str) -> Vec<&'a str> {
        let begin = format!("tracing::{level}!(");
        let calls = sources.split(&begin).skip(1).filter_map(|call| call.split(';').next());
        // The message is the last string of the call, with which its arguments end.
        calls
            .filter_map(|call| call.split(")").find(|part| part.trim_end().ends_with('"')))
            .filter_map(|part| Some(part.rsplit_once('"')?.0.rsplit_once('"')?.1))
            .collect()
    }

    #[test]
    fn each_warning_and_error_of_the_log_is_in_the_runbook() {
        let (sources, page) = (event_sources(), include_str!("../RUNBOOK.md"));
        for level in ["warn", "error"] {
            let messages = messages(&sources, level);
            assert!(messages.len() > 10, "{messages:?}");
            for message in messages {
                let line = format!("`{} {message}`", level.to_uppercase());
                assert!(page.contains(&line), "{line}");
            }
        }
    }

    #[test]
    fn each_error_of_run_in_the_runbook_is_one() {
        let (_, page) = include_str!("../RUNBOOK.md")
            .split_once("## A worker that ends")
            .unwrap();
        let errors = include_str!("error.rs");
        let rows = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let mut told = 0;
        for (error, _) in rows {
            told += 1;
            let parts = error.split('…').map(str::trim).filter(|part| !part.is_empty());
            assert!(parts.clone().all(|part| errors.contains(part)), "{error}");
        }
        assert_eq!(told, 8, "of the kinds of errors");
    }
}
