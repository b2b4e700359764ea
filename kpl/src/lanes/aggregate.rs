//! Pure: a sealed aggregate on its way through the pipeline, and how it is taken apart when its shard is gone.

use std::sync::Arc;
use std::time::Instant;

use aggregation::{Encoder, HashKey, KinesisRecord, UserRecordRef};
use service::ShardId;

use crate::budget::{Cargo, Charge};
use crate::error::PutErrorKind;
use crate::lanes::contents::Contents;
use crate::lanes::refused::Refused;
use crate::limits::KINESIS_RECORD_BYTES;
use crate::receipt::attempt::Attempts;
use crate::receipt::cohort::Origin;
use crate::receipt::outcome::{Delivery, Failure, HashKeyOrigin, Outcome, Returned, open};
use crate::record::{self, Record};
use crate::routing::{Routing, Target};

/// One Kinesis record with everything that has to be known until its outcome: a promise to the receipts of its members.
///
/// Dropping it unresolved, as a panicking task does, fails them with
/// [`PutErrorKind::TaskEnded`]; so none of them waits for ever (P1).
#[derive(Debug)]
pub(crate) struct SealedAggregate {
    pub(crate) record: KinesisRecord,
    /// Its records in numbers.
    pub(crate) contents: Contents,
    /// When its last request ended; `None` before its first.
    pub(crate) waiting_since: Option<Instant>,
    pub(crate) attempts: Attempts,
    /// For which shard it was built, and by which shard map; `None` before it was routed, and where the service chooses.
    pub(crate) target: Option<Target>,
    /// Which `flush` calls wait for it: all later than this.
    pub(crate) generation: u64,
    /// How often it was stored on a shard that does not hold all of its records.
    pub(crate) misplacements: u32,
    /// Since when requests with it are refused for a reason that may pass.
    pub(crate) refused: Option<Refused>,
    /// The shards that are sent nothing until it is decided; none unless records are ordered.
    pub(crate) shards_held: Vec<ShardId>,
    stream: Arc<str>,
    hash_key_origin: HashKeyOrigin,
    origins: Vec<Origin>,
    charge: Charge,
    /// When each record expires; empty if none does.
    expiries: Vec<Instant>,
    earliest_expiry: Option<Instant>,
}

/// What a lane knows of an aggregate when it seals it.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub(crate) stream: Arc<str>,
    pub(crate) hash_key_origin: HashKeyOrigin,
    pub(crate) origins: Vec<Origin>,
    pub(crate) charge: Charge,
    pub(crate) contents: Contents,
    pub(crate) target: Option<Target>,
    pub(crate) expiries: Vec<Instant>,
}

impl SealedAggregate {
    pub(crate) fn new(record: KinesisRecord, sealing: Sealing) -> Self {
        let Sealing {
            stream,
            hash_key_origin,
            origins,
            charge,
            contents,
            target,
            expiries,
        } = sealing;
        Self {
            record,
            contents,
            waiting_since: None,
            attempts: Attempts::default(),
            target,
            generation: 0,
            misplacements: 0,
            refused: None,
            shards_held: Vec::new(),
            stream,
            hash_key_origin,
            origins,
            charge,
            earliest_expiry: expiries.iter().min().copied(),
            expiries,
        }
    }

    /// Gives back room that was charged for buffers.
    pub(crate) fn forgiven(mut self, bytes: usize) -> Self {
        self.charge.forgive(bytes);
        self
    }

    /// Bytes that the service counts: data and outer partition key.
    pub(crate) fn bytes(&self) -> usize {
        self.record.data.len() + self.record.partition_key.len()
    }

    /// What it adds to a request.
    pub(crate) fn cargo(&self) -> Cargo {
        Cargo {
            entries: 1,
            bytes: self.bytes(),
        }
    }

    /// Whether it is a record without a partition key.
    pub(crate) fn is_without_key(&self) -> bool {
        self.record.partition_key.is_empty()
    }

    /// Whether it is sent in a request of its own: one with it alone was refused.
    pub(crate) fn leaves_alone(&self) -> bool {
        self.refused.is_some_and(Refused::was_alone)
    }

    /// Ends its way at a shard.
    pub(crate) fn deliver(mut self, shard_id: Arc<str>, sequence_number: Arc<str>) {
        let attempts = std::mem::take(&mut self.attempts);
        self.resolve(Outcome::Delivered(Delivery {
            shard_id,
            sequence_number,
            attempts,
        }));
    }

    /// How many of its records, at least, nobody waits for: their receipts were dropped.
    pub(crate) fn unheard(&self) -> u64 {
        self.origins.iter().map(Origin::unheard).sum()
    }

    /// Gives its records back.
    pub(crate) fn fail(mut self, kind: PutErrorKind) -> Arc<Outcome> {
        self.resolve_as_failed(kind)
    }

    fn resolve_as_failed(&mut self, kind: PutErrorKind) -> Arc<Outcome> {
        let returned = Returned::new(self.record.clone(), self.hash_key_origin);
        let attempts = std::mem::take(&mut self.attempts);
        self.resolve(Outcome::Failed(Failure {
            kind,
            stream: Arc::clone(&self.stream),
            attempts,
            returned,
        }))
    }

    fn resolve(&mut self, outcome: Outcome) -> Arc<Outcome> {
        let outcome = Arc::new(outcome);
        // The room goes back first: whoever a receipt wakes may put the next record at once.
        drop(self.charge.take());
        let mut position = 0;
        for origin in self.origins.drain(..) {
            origin.resolve(&outcome, position);
            position += origin.len();
        }
        outcome
    }

    /// Gives its room back before it has its outcome.
    #[cfg(feature = "_simulation")]
    pub(crate) fn release_room(&mut self) {
        drop(self.charge.take());
    }

    /// When the first of its records expires, if one does.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.earliest_expiry
    }

    /// Parts the records that have expired from those that have not, each as an aggregate for the same shard.
    pub(crate) fn part_expired(mut self, now: Instant) -> Parted {
        let has_expired = |at: &Instant| *at < now;
        if !self.earliest_expiry.as_ref().is_some_and(has_expired) {
            return Parted {
                expired: None,
                alive: Some(self),
            };
        }
        if self.expiries.iter().all(has_expired) {
            return Parted {
                expired: Some(self),
                alive: None,
            };
        }
        let (expired, alive) = self
            .take_apart()
            .into_iter()
            .partition(|share| share.expiry.as_ref().is_some_and(has_expired));
        let target = self.target.take();
        let build = |shares| self.build_parts(target.as_ref(), shares, usize::MAX, usize::MAX).pop();
        Parted {
            expired: build(expired),
            alive: build(alive),
        }
    }

    /// Two aggregates for the same shard, each with half of the records, for one that is too large for the stream.
    pub(crate) fn halved(mut self) -> Vec<Self> {
        let half = self.record.user_records.div_ceil(2);
        let (shares, target) = (self.take_apart(), self.target.take());
        self.build_parts(target.as_ref(), shares, usize::MAX, half)
    }

    /// Takes the aggregate apart and builds aggregates anew, each for one target of `routing`. Order within a target is
    /// kept.
    pub(crate) fn resplit(mut self, routing: &Routing, max_size: usize, max_count: usize) -> Vec<Self> {
        let targets = routing.targets();
        let mut shares: Vec<Vec<Share>> = targets.iter().map(|_| Vec::new()).collect();
        for next in self.take_apart() {
            let hash_key = next.record.as_user_record().hash_key;
            if let Some(share) = shares.get_mut(routing.lane_of(hash_key)) {
                share.push(next);
            }
        }
        let shares = targets.iter().zip(shares);
        let parts = shares.flat_map(|(target, share)| {
            let max_count = routing.max_count_for(target.as_ref(), max_count);
            self.build_parts(target.as_ref(), share, max_size, max_count)
        });
        parts.collect()
    }

    /// Each record with its receipt, its charge and its expiry. The aggregate keeps none of them.
    fn take_apart(&mut self) -> Vec<Share> {
        let records = self.records();
        let origins: Vec<Origin> = self.origins.iter().flat_map(Origin::members).collect();
        debug_assert_eq!(
            records.len(),
            origins.len(),
            "each member of an aggregate has one receipt"
        );
        if records.len() != origins.len() {
            return Vec::new();
        }
        self.origins.clear();
        let expiries = std::mem::take(&mut self.expiries);
        let expiries = expiries.into_iter().map(Some).chain(std::iter::repeat(None));
        let shares = records.into_iter().zip(origins).zip(expiries);
        shares
            .map(|((record, origin), expiry)| {
                let cost = record::cost(record.partition_key(), record.data());
                let charge = self.charge.split_record(cost);
                Share {
                    record,
                    origin,
                    charge,
                    expiry,
                }
            })
            .collect()
    }

    fn build_parts(&self, target: Option<&Target>, share: Vec<Share>, max_size: usize, max_count: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut encoder = Encoder::new();
        let mut members = Vec::new();
        for next in share {
            let full = encoder.len() >= max_count || encoder.size_with(&next.record.as_user_record()) > max_size;
            if !encoder.is_empty() && full {
                parts.extend(self.build_part(target, &mut encoder, &mut members));
            }
            encoder.append(&next.record.as_user_record());
            members.push(next);
        }
        parts.extend(self.build_part(target, &mut encoder, &mut members));
        parts
    }

    fn build_part(&self, target: Option<&Target>, encoder: &mut Encoder, members: &mut Vec<Share>) -> Option<Self> {
        let record = encoder.seal()?;
        let mut charge = None::<Charge>;
        let mut origins: Vec<Origin> = Vec::new();
        let mut expiries = Vec::new();
        let mut contents = Contents::default();
        let mut hash_key_origin = HashKeyOrigin::PartitionKey;
        for member in members.drain(..) {
            if member.record.explicit_hash_key().is_some() {
                hash_key_origin = HashKeyOrigin::Explicit;
            }
            expiries.extend(member.expiry);
            contents.add_member(&member.record.as_user_record(), &self.contents);
            match &mut charge {
                Some(charge) => charge.absorb(member.charge),
                None => charge = Some(member.charge),
            }
            let extended = match origins.last_mut() {
                Some(last) => last.extend(member.origin),
                None => Some(member.origin),
            };
            origins.extend(extended);
        }
        let mut charge = charge?;
        charge.owe(KINESIS_RECORD_BYTES);
        let sealing = Sealing {
            stream: Arc::clone(&self.stream),
            hash_key_origin,
            origins,
            charge,
            contents,
            target: target.cloned(),
            expiries,
        };
        let mut part = Self::new(record, sealing);
        part.attempts = self.attempts.clone();
        part.waiting_since = self.waiting_since;
        part.generation = self.generation;
        part.misplacements = self.misplacements;
        part.refused = self.refused;
        Some(part)
    }

    /// Its records, as they were put.
    pub(crate) fn records(&self) -> Vec<Record> {
        open(&self.record, self.hash_key_origin)
    }

    /// The effective hash keys of its records.
    pub(crate) fn hash_keys(&self) -> Vec<HashKey> {
        let records = self.records();
        records.iter().map(|record| record.as_user_record().hash_key).collect()
    }
}

/// One record of an aggregate that is taken apart.
struct Share {
    record: Record,
    origin: Origin,
    charge: Charge,
    expiry: Option<Instant>,
}

/// An aggregate after a look at the time.
#[derive(Debug)]
pub(crate) struct Parted {
    pub(crate) expired: Option<SealedAggregate>,
    pub(crate) alive: Option<SealedAggregate>,
}

impl Drop for SealedAggregate {
    fn drop(&mut self) {
        if !self.origins.is_empty() {
            self.resolve_as_failed(PutErrorKind::TaskEnded);
        }
    }
}

/// Where the hash key of a record comes from, as the lane notes it.
pub(crate) fn hash_key_origin(record: &UserRecordRef<'_>) -> HashKeyOrigin {
    match record.explicit_hash_key {
        Some(_) => HashKeyOrigin::Explicit,
        None => HashKeyOrigin::PartitionKey,
    }
}
