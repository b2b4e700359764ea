//! The leases of the children of an ended shard, created for the worker that has read their parent.

use super::Discovery;
use crate::assignment::children::NewChildren;
use crate::error::TableError;
use crate::event::LeaseEvent;
use crate::lease::model::Lease;
use crate::lease::renewer::timed_out;
use crate::lease::table::{Creation, service_time};
use crate::stream::ShardRef;

impl Discovery {
    /// Creates the leases of an ended shard's children.
    pub(super) async fn create_children(&mut self, children: NewChildren) {
        let (leases, created) = children.into_parts();
        let mut result = Ok(());
        for lease in leases {
            if result.is_ok() {
                result = self.create_child(lease).await;
            }
        }
        // The consumer that asked has ended.
        drop(created.send(result));
    }

    async fn create_child(&mut self, mut child: Lease) -> Result<(), TableError> {
        let context = self.parts.context.clone();
        if self.has_room_for(&child).await {
            let time = service_time(&*context.table, &context.clock, &context.observers);
            child.owner = Some(context.worker.clone());
            // No adoption raises the counter of this ownership.
            child.own.token_base = Some(self.token_bases.base(&child.key, time).saturating_add(1));
        }
        // A creation without an answer may have worked: then the row has our name, and the next look finds it.
        let (sent, timeout) = (context.clock.now(), self.parts.write_timeout);
        let created = context.clock.timeout(timeout, context.table.create(&child)).await;
        match created.ok_or_else(|| timed_out("PutItem", timeout))?? {
            Creation::Created => {}
            // Another worker was quicker, or an earlier attempt.
            Creation::Existed => return Ok(()),
        }
        context.observers.tell(LeaseEvent::Created {
            lease: child.key.clone(),
            reason: "its parent was read to the end".to_owned(),
        });
        if child.owner.is_some() {
            self.hand_over(child, sent).await;
        }
        Ok(())
    }

    /// Whether this worker may have a child besides its other leases. The first one takes the place of its parent.
    async fn has_room_for(&self, child: &Lease) -> bool {
        let mut held = self.parts.renewer.occupied().await;
        let (layout, stream) = (&self.parts.layout, self.parts.layout.shard_of(child).stream);
        for parent in &child.parents {
            held.remove(&layout.key_of(&ShardRef::new(stream.clone(), parent.clone())));
        }
        held.len() < self.parts.max_leases
    }
}
