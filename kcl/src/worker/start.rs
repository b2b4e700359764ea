//! The start of a worker: the lease table is made usable and brought in line with the stream. `rule` finds the rule of the fleet.

mod rule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use service::{Clock, Jitter, RetryDelays};

use crate::assignment::origin::StreamAtStart;
use crate::calls::{Calls, ShardsToList};
use crate::checkpoint::position::Position;
use crate::config::Config;
use crate::coordination::rule::{Coordination, Rule};
use crate::error::{CallErrorKind, TableError, WorkerError};
use crate::event::WorkerEvent;
use crate::lease::layout::TableLayout;
use crate::lease::model::{Lease, OwnAttributes, WorkerId};
use crate::lease::scan::list;
use crate::lease::table::{LeaseTable, OpenError};
use crate::observers::Observers;
use crate::shard_sync::former::{self, OnRecreated, Sorted};
use crate::shard_sync::planner;
use crate::shard_sync::task::{Creator, NewLeases, sync_shards};
use crate::stream::{Incarnation, Shard, StreamRef};
use crate::worker::health::HealthBoard;

/// The wait after the first failed attempt, and the longest. Our choice.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a worker needs for its start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) worker: &'a WorkerId,
    pub(super) observers: &'a Observers,
    pub(super) table: &'a Arc<dyn LeaseTable>,
    pub(super) layout: &'a TableLayout,
    pub(super) calls: &'a Calls,
    pub(super) stream: &'a StreamRef,
    pub(super) config: &'a Config,
    pub(super) clock: &'a Clock,
    pub(super) health: &'a HealthBoard,
    pub(super) rng: fastrand::Rng,
    pub(super) occasion: Occasion,
}

/// What a start has found.
#[derive(Debug)]
pub(super) struct Started {
    /// Which stream it is.
    pub(super) stream: StreamAtStart,
    pub(super) rule: Rule,
}

/// What a start is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The worker begins. What does not pass in time ends it.
    Start,
    /// The worker begins anew with a stream that was created again. What may pass is tried for ever.
    BeginAnew,
    /// A worker that runs brings the table in line with the stream.
    Tidy,
}

impl Start<'_> {
    /// Makes the table usable and creates the leases that are missing, and tries again within `initialization_timeout`.
    pub(super) async fn run(mut self) -> Result<Started, WorkerError> {
        let mut delays = RetryDelays::new(WAITS, Jitter::Half, self.rng.fork());
        let begun = self.clock.now();
        let no_stream_until = begun.checked_add(self.config.wait_for_stream);
        let mut deadline = begun.checked_add(self.config.initialization_timeout);
        let mut failures = 0;
        loop {
            let table_by = match self.occasion {
                Occasion::BeginAnew => None,
                Occasion::Start | Occasion::Tidy => deadline,
            };
            let error = match self.attempt(table_by).await {
                Ok(started) => return Ok(started),
                Err(error) => error,
            };
            failures += 1;
            let again = self.clock.now() + delays.after(failures);
            let is_in_time = |end: Option<Instant>| end.is_none_or(|end| again <= end);
            let goes_on = match (self.occasion, is_stream_missing(&error)) {
                (Occasion::BeginAnew, true) => true,
                // Access that is denied to a worker that runs is waited for.
                (Occasion::BeginAnew, false) => may_pass(&error) || is_denied(&error),
                (Occasion::Start | Occasion::Tidy, true) => is_in_time(no_stream_until),
                (Occasion::Start | Occasion::Tidy, false) => may_pass(&error) && is_in_time(deadline),
            };
            if !goes_on {
                return Err(error);
            }
            if is_stream_missing(&error) {
                deadline = again.checked_add(self.config.initialization_timeout);
            }
            let error = service::chain(&error);
            self.observers.tell(WorkerEvent::StartFailed {
                error: error.clone(),
                repeated: 0,
            });
            self.health.start_failed(error);
            self.clock.sleep_until(Some(again)).await;
        }
    }

    /// Does all of it once. A table that is being created is waited for until `table_by`.
    pub(super) async fn attempt(&mut self, table_by: Option<Instant>) -> Result<Started, WorkerError> {
        let coordinator = self.coordinator().await?;
        // Before the list: should the stream be created again in between, its shards are held and not read.
        let incarnation = self.calls.incarnation(self.stream).await;
        let incarnation = incarnation.map_err(|error| self.of_stream(error))?;
        if !incarnation.is_known() {
            let stream = self.stream.clone();
            self.observers.tell(WorkerEvent::StreamDescriptionDenied { stream });
        }
        // Before the table is created: a mistyped stream leaves nothing behind.
        let shards = self.list_shards().await?;
        self.open(table_by).await?;
        let listing = list(&**self.table, self.clock, &mut self.rng, self.observers).await;
        let listing = listing.map_err(|error| self.of_table(error))?;
        let rule = self.follow(&listing, &coordinator).await?;
        let leases = self.sort(listing.leases, &incarnation)?;
        let shards = match planner::is_outdated(&shards, &leases.kept) {
            // It does not show the parent of a leased shard as closed, and the parent would be leased too.
            true => self.list_shards().await?,
            false => shards,
        };
        if self.occasion == Occasion::Start {
            self.tell_of_overruled_start(&leases.kept);
        }
        let new = NewLeases {
            stream: self.stream.clone(),
            layout: self.layout.clone(),
            start: self.config.start_at,
            own: OwnAttributes::of(&incarnation),
        };
        let stream = StreamAtStart::new(incarnation, &shards);
        let creator = Creator {
            observers: self.observers,
            table: self.table,
        };
        sync_shards(creator, self.calls, shards, leases, new).await?;
        Ok(Started { stream, rule })
    }

    /// Creates the lease table if it is gone and may be created. The row that says the rule comes first.
    pub(super) async fn make_table_again(&self) -> Result<(), WorkerError> {
        self.open(self.clock.now().checked_add(self.config.initialization_timeout))
            .await?;
        match self.config.coordination {
            Coordination::Kcl3 => self.create_version_row().await,
            Coordination::Auto | Coordination::Kcl2 => Ok(()),
        }
    }

    async fn list_shards(&self) -> Result<Vec<Shard>, WorkerError> {
        let shards = self.calls.list_shards(self.stream, ShardsToList::All).await;
        shards.map_err(|error| self.of_stream(error))
    }

    /// Tells the leases of a former stream from the others, if they are to be replaced.
    fn sort(&self, leases: Vec<Lease>, stream: &Incarnation) -> Result<Sorted, WorkerError> {
        match self.config.on_recreated {
            OnRecreated::Halt => Ok(Sorted {
                kept: leases,
                ..Sorted::default()
            }),
            OnRecreated::Restart => former::sort(leases, stream).map_err(|later| WorkerError::InconsistentShards {
                stream: self.stream.to_string(),
                reason: later.to_string(),
            }),
        }
    }

    /// Tells that shards with leases go on from their checkpoints, although the application has set where to start.
    fn tell_of_overruled_start(&self, leases: &[Lease]) {
        let start_at = Position::from(self.config.start_at);
        let begins_elsewhere = |lease: &&Lease| !lease.is_finished() && lease.checkpoint.as_ref() != Some(&start_at);
        let leases = leases.iter().filter(begins_elsewhere).count();
        if self.config.start_is_set && leases > 0 {
            self.observers.tell(WorkerEvent::StartOverruled {
                start_at,
                table: self.table.name().to_owned(),
                leases,
            });
        }
    }

    /// Waits for a table that is being created, but not beyond the deadline of the start.
    async fn open(&self, deadline: Option<Instant>) -> Result<(), WorkerError> {
        let opening = self.table.open();
        let opened = match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(self.clock.now());
                let opened = self.clock.timeout(left, opening).await;
                opened.unwrap_or_else(|| Err(not_usable_within(self.config.initialization_timeout).into()))
            }
            None => opening.await,
        };
        opened.map_err(|error| match error {
            OpenError::Call(source) => self.of_table(source),
            OpenError::Missing => WorkerError::LeaseTableMissing {
                table: self.table.name().to_owned(),
            },
            OpenError::OtherKey { found } => WorkerError::NotALeaseTable {
                table: self.table.name().to_owned(),
                key: found,
            },
        })
    }

    fn of_table(&self, source: TableError) -> WorkerError {
        WorkerError::LeaseTable {
            table: self.table.name().to_owned(),
            source,
        }
    }

    fn of_stream(&self, source: crate::error::StreamError) -> WorkerError {
        WorkerError::Stream {
            stream: self.stream.to_string(),
            source,
        }
    }
}

fn not_usable_within(timeout: Duration) -> TableError {
    let message = format!(
        "the table is not usable within initialization_timeout, {timeout:?}; if it is being created, that goes on, and a \
         later start finds it"
    );
    TableError {
        operation: "DescribeTable",
        kind: CallErrorKind::Unavailable {
            code: "Timeout".into(),
            message,
        },
    }
}

fn is_stream_missing(error: &WorkerError) -> bool {
    matches!(error, WorkerError::Stream { source, .. } if source.kind().is_not_found())
}

fn is_denied(error: &WorkerError) -> bool {
    match error {
        WorkerError::LeaseTable { source, .. } => source.kind().is_denied(),
        WorkerError::Stream { source, .. } => source.kind().is_denied(),
        WorkerError::InconsistentShards { .. }
        | WorkerError::LeaseTableMissing { .. }
        | WorkerError::NotALeaseTable { .. }
        | WorkerError::LedByOthers { .. }
        | WorkerError::UnusableWorkerId { .. }
        | WorkerError::WorkerIdInUse { .. }
        | WorkerError::ApplicationStalled { .. }
        | WorkerError::LeaseThread { .. }
        | WorkerError::TaskPanicked => false,
    }
}

/// Whether a start that failed like this may work later, by itself or because an operator restores a key.
fn may_pass(error: &WorkerError) -> bool {
    match error {
        WorkerError::LeaseTable { source, .. } => source.kind().may_pass(),
        WorkerError::Stream { source, .. } => source.kind().may_pass(),
        // Seen for a moment while the stream is resharded.
        WorkerError::InconsistentShards { .. } => true,
        WorkerError::LeaseTableMissing { .. }
        | WorkerError::NotALeaseTable { .. }
        | WorkerError::LedByOthers { .. }
        | WorkerError::UnusableWorkerId { .. }
        | WorkerError::WorkerIdInUse { .. }
        | WorkerError::ApplicationStalled { .. }
        | WorkerError::LeaseThread { .. }
        | WorkerError::TaskPanicked => false,
    }
}
