//! Pure: how requests are filled, and when they leave.

use std::time::{Instant, SystemTime};

use crate::budget::{Cargo, Copies};
use crate::lanes::aggregate::SealedAggregate;
use crate::observe::stats::Load;
use crate::pipeline::{InFlight, Output, Pipeline};

impl Pipeline {
    pub(in crate::pipeline) fn fill_requests(&mut self, now: Instant, wall: SystemTime) {
        for shard in std::mem::take(&mut self.released) {
            self.limiter.release(&shard, now);
        }
        while self.resume_at.is_none() && self.may_send() {
            if let Some(suspects) = self.suspects.front() {
                let Some(copies) = self.room_for(cargo_of(suspects)) else {
                    break;
                };
                let suspects = self.suspects.pop_front().unwrap_or_default();
                self.send(suspects, copies, (now, wall));
                continue;
            }
            let collector = &self.collector;
            if let Some((destination, aggregate)) = self.limiter.pop(now, |next| collector.has_room_for(next)) {
                let unexpired = self.unexpired(aggregate, now);
                self.limiter.settle(&destination, unexpired.as_ref(), now);
                let Some(aggregate) = unexpired else {
                    continue;
                };
                let aggregate = self.hold_lane(aggregate, now);
                let awaited = self.outstanding.is_awaited(aggregate.generation);
                self.collector.push(aggregate, now);
                if awaited {
                    self.collector.hurry(now);
                }
                continue;
            }
            let blocked = self.limiter.next_at().is_some_and(|at| at <= now);
            let due = self.collector.deadline().is_some_and(|at| at <= now);
            if !due && !blocked {
                break;
            }
            let Some(copies) = self.room_for(self.collector.cargo()) else {
                break;
            };
            let gathered = self.collector.take();
            self.send(gathered, copies, (now, wall));
        }
        self.copy_room.release_unused();
    }

    fn room_for(&mut self, request: Cargo) -> Option<Copies> {
        let copies = self.copy_room.take(request);
        if copies.is_none() {
            self.outputs.push_back(Output::AwaitRoom(request));
        }
        copies
    }

    /// What is under way.
    pub(crate) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight.values().map(|request| request.user_records).sum(),
            requests_in_flight: self.in_flight.len(),
            requests: self.next_request,
        }
    }

    /// Whether another request may leave now, of the full size or with the large record that is next.
    pub(in crate::pipeline) fn may_send(&self) -> bool {
        let suspects = self.suspects.front().map_or(0, |suspects| cargo_of(suspects).bytes);
        let next = suspects.max(self.collector.cargo().bytes);
        let next = next.max(self.config.collection_max_size);
        let fits = self.bytes_in_flight.saturating_add(next) <= self.config.max_bytes_in_flight;
        let may_copy = !self.copy_room.is_awaited();
        may_copy && self.in_flight.len() < self.config.max_connections && (fits || self.in_flight.is_empty())
    }

    /// Sends what has not expired: this is the last look at the time.
    fn send(&mut self, aggregates: Vec<SealedAggregate>, copies: Copies, (now, wall): (Instant, SystemTime)) {
        let aggregates: Vec<SealedAggregate> = aggregates
            .into_iter()
            .filter_map(|aggregate| self.unexpired(aggregate, now))
            .collect();
        if aggregates.is_empty() {
            return;
        }
        let entries = aggregates.iter().map(|aggregate| aggregate.record.clone()).collect();
        let request = self.next_request;
        self.next_request += 1;
        let shards = self.hold_shards(&aggregates, now);
        let Cargo { bytes, .. } = cargo_of(&aggregates);
        let user_records = aggregates.iter().map(|aggregate| aggregate.contents.volume()).sum();
        self.bytes_in_flight += bytes;
        self.in_flight.insert(
            request,
            InFlight {
                aggregates,
                bytes,
                user_records,
                _copies: copies,
                shards,
                sent: now,
                sent_wall: wall,
            },
        );
        if_planted!(ReleaseEarly, self.release_room_of(request));
        if_planted!(AcknowledgeEarly, self.acknowledge(request));
        self.outputs.push_back(Output::Send { request, entries });
    }
}

fn cargo_of(aggregates: &[SealedAggregate]) -> Cargo {
    aggregates
        .iter()
        .map(SealedAggregate::cargo)
        .fold(Cargo::default(), Cargo::plus)
}
