//! What workers tell their applications, where the witness needs it.

use kcl::Event;
use kcl::event::{Hold, LeaseEvent, ShardEvent};
use oracle::{Fact, FleetFact, Witness};

/// Lets the witness know if a worker says that its stream was created again.
pub(crate) fn hear(witness: &Witness, event: &Event) {
    if is_created_again(event) {
        witness.tell(Fact::Fleet(FleetFact::RecreationTold));
    }
}

/// Whether a worker says that its stream was deleted and created again: of a shard that it reads, or of leases that it does
/// not take.
fn is_created_again(event: &Event) -> bool {
    matches!(
        event,
        Event::Shard {
            event: ShardEvent::OnHold {
                reason: Hold::StreamCreatedAgain,
                ..
            },
            ..
        } | Event::Lease(LeaseEvent::OfAnotherStream { .. } | LeaseEvent::Unmarked { .. })
    )
}
