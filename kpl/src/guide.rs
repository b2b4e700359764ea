//! Beyond the single call: where to start from the KPL, what to tune, and which permissions are needed.
//!
//! Each page is a file that reads well by itself. Its links lead to other files there, and from here to the items: of two
//! definitions of a link, the first counts.

/// [`Attempt`]: crate::Attempt
/// [`Budget`]: crate::Budget
/// [`BuildError`]: crate::BuildError
/// [`Delivered`]: crate::Delivered
/// [`PayloadEncoder`]: crate::PayloadEncoder
/// [`Producer::builder`]: crate::Producer::builder
/// [`ProducerBuilder::stream_id`]: crate::ProducerBuilder::stream_id
/// [`PutError`]: crate::PutError
/// [`Receipt`]: crate::Receipt
/// [`Record`]: crate::Record
/// [`Record::with_explicit_hash_key`]: crate::Record::with_explicit_hash_key
/// [`Record::without_key`]: crate::Record::without_key
/// [`TaskEnded`]: crate::PutErrorKind::TaskEnded
/// [`flush`]: crate::Producer::flush
/// [`flush_hint`]: crate::Producer::flush_hint
/// [`kpl::blocking`]: crate::blocking
/// [`put`]: crate::Producer::put
/// [`record_max_buffered_time`]: crate::ProducerBuilder::record_max_buffered_time
/// [`shutdown`]: crate::Producer::shutdown
/// [`stats`]: crate::Producer::stats
/// [kind]: crate::PutErrorKind
/// [metrics]: crate::metrics
/// [the series]: crate::metrics
///
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}

/// [`Budget`]: crate::Budget
/// [`Ordering::PerKey`]: crate::Ordering::PerKey
/// [`aggregation_max_size`]: crate::ProducerBuilder::aggregation_max_size
/// [`max_bytes_in_flight`]: crate::ProducerBuilder::max_bytes_in_flight
/// [`rate_limit`]: crate::ProducerBuilder::rate_limit
/// [`record_max_buffered_time`]: crate::ProducerBuilder::record_max_buffered_time
/// [`record_ttl`]: crate::ProducerBuilder::record_ttl
/// [`request_timeout`]: crate::ProducerBuilder::request_timeout
/// [`try_put`]: crate::Producer::try_put
///
#[doc = include_str!("../TUNING.md")]
pub mod tuning {}

/// [`AccessDenied`]: crate::PutErrorKind::AccessDenied
/// [`Ordering::PerKey`]: crate::Ordering::PerKey
/// [`OrderingImpossible`]: crate::PutErrorKind::OrderingImpossible
/// [`record_distribution_strategy_default`]: crate::ProducerBuilder::record_distribution_strategy_default
/// [metrics]: crate::metrics
///
#[doc = include_str!("../PERMISSIONS.md")]
pub mod permissions {}

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
            include_str!("../TUNING.md"),
            include_str!("../PERMISSIONS.md"),
        ];
        let mut modules = include_str!("guide.rs").split("pub mod ");
        for page in pages {
            let module = modules.next().unwrap();
            assert_eq!(defined(page, "["), defined(module, "/// ["));
        }
    }
}
