//! Pure: which events are samples of a series.

use super::Series;
use crate::error::CallErrorKind;
use crate::event::{Event, HandlerEvent, LeaseEvent, ShardEvent};

/// The sample that an event is, if it is one.
pub(crate) fn sample_of(event: &Event) -> Option<(Series, f64)> {
    match event {
        Event::Worker(_) | Event::Fleet(_) => None,
        Event::Lease(event) => match event {
            LeaseEvent::Lost { .. } => Some((Series::LostLeases, 1.0)),
            LeaseEvent::MadeAgain { .. } => Some((Series::LeasesMadeAgain, 1.0)),
            LeaseEvent::Created { .. }
            | LeaseEvent::Taken { .. }
            | LeaseEvent::Released { .. }
            | LeaseEvent::WriteFailed { .. }
            | LeaseEvent::RowUnreadable { .. }
            | LeaseEvent::FleetRowUnreadable { .. }
            | LeaseEvent::TableUnavailable { .. }
            | LeaseEvent::OfAnotherStream { .. }
            | LeaseEvent::OfFormerStream { .. }
            | LeaseEvent::Replaced { .. }
            | LeaseEvent::Discarded { .. }
            | LeaseEvent::Unmarked { .. }
            | LeaseEvent::NotCovered { .. }
            | LeaseEvent::TableMadeAgain { .. }
            | LeaseEvent::ServiceTimeUnknown { .. } => None,
        },
        Event::Shard { event, .. } => of_shard(event),
        Event::Handler { event, .. } => of_handler(event),
    }
}

fn of_shard(event: &ShardEvent) -> Option<(Series, f64)> {
    match event {
        ShardEvent::PossibleLoss { .. } => Some((Series::PossibleLoss, 1.0)),
        ShardEvent::ReadFailed { error, .. } => {
            let is_expired = matches!(error.kind, CallErrorKind::Iterator { .. });
            is_expired.then_some((Series::ExpiredIterator, 1.0))
        }
        ShardEvent::WaitsForParents { .. }
        | ShardEvent::StillWaitsForParents { .. }
        | ShardEvent::ParentUnreadable { .. }
        | ShardEvent::ReadingBegins { .. }
        | ShardEvent::Paused
        | ShardEvent::Resumed
        | ShardEvent::OnHold { .. }
        | ShardEvent::Moved { .. }
        | ShardEvent::CheckpointCorrected { .. }
        | ShardEvent::DamagedAggregate { .. }
        | ShardEvent::DamagedRecord { .. }
        | ShardEvent::SourcePanicked
        | ShardEvent::Panicked
        | ShardEvent::EndNotCheckpointed { .. }
        | ShardEvent::ChildrenWait { .. }
        | ShardEvent::ChildrenNotLeased { .. }
        | ShardEvent::Ended { .. } => None,
    }
}

fn of_handler(event: &HandlerEvent) -> Option<(Series, f64)> {
    match event {
        HandlerEvent::Failed { .. } | HandlerEvent::Dropped { .. } => Some((Series::HandlerFailures, 1.0)),
        HandlerEvent::Skipped { count, .. } => Some((Series::RecordsSkipped, *count as f64)),
        HandlerEvent::DeadLettered { count, .. } => Some((Series::RecordsDeadLettered, *count as f64)),
        HandlerEvent::Slow { .. }
        | HandlerEvent::DropPanicked
        | HandlerEvent::SinkFailed { .. }
        | HandlerEvent::Halted { .. } => None,
    }
}
