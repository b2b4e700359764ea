//! Pure: what tests can do to a stream and clients cannot.

use std::time::SystemTime;

use aggregation::HashKey;

use super::change::{Change, Pending};
use super::error::ServiceError;
use super::kms::KmsFailure;
use super::refusal;
use super::request::RecordDistributionStrategy;
use super::sequence::SequenceNumber;
use super::settings::Settings;
use super::shard::Shard;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::throughput::Traffic;
use super::timestamp::Timestamp;

/// What tests can do to a stream and clients cannot.
///
/// It happens at the latest moment that the service was told, and without regard to limits and rates.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use testkit::kinesis::{Kinesis, KmsFailure, Request, Settings, ShardId, Traffic};
///
/// let mut kinesis = Kinesis::new(Settings { creation_time: std::time::Duration::ZERO, ..Settings::default() });
/// let create = Request::decode("CreateStream", br#"{"StreamName":"orders","ShardCount":1}"#)?;
/// kinesis.handle(create, UNIX_EPOCH)?;
///
/// let mut orders = kinesis.control("orders")?;
/// orders.throttle(ShardId::FIRST, Traffic::Writes)?;
/// orders.fail_kms(KmsFailure::Disabled);
/// # Ok::<(), testkit::kinesis::ServiceError>(())
/// ```
#[derive(Debug)]
pub struct Control<'a> {
    stream: &'a mut Stream,
    settings: &'a Settings,
    now: Timestamp,
}

impl<'a> Control<'a> {
    pub(super) fn new(stream: &'a mut Stream, settings: &'a Settings, now: Timestamp) -> Self {
        Self { stream, settings, now }
    }

    /// Throttles every record or every GetRecords call of a shard until [`release`](Self::release), as a shard does
    /// whose limits are exceeded. Children of the shard are not throttled.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such shard.
    pub fn throttle(&mut self, shard: ShardId, traffic: Traffic) -> Result<(), ServiceError> {
        self.shard(shard)?.throughput.stop(traffic);
        Ok(())
    }

    /// Takes [`throttle`](Self::throttle) back.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such shard.
    pub fn release(&mut self, shard: ShardId, traffic: Traffic) -> Result<(), ServiceError> {
        self.shard(shard)?.throughput.resume(traffic);
        Ok(())
    }

    /// Fails every put, every GetRecords call and StartStreamEncryption until [`restore_kms`](Self::restore_kms),
    /// whether the stream is encrypted or not.
    pub fn fail_kms(&mut self, failure: KmsFailure) {
        self.stream.kms_failure = Some(failure);
    }

    /// Takes [`fail_kms`](Self::fail_kms) back.
    pub fn restore_kms(&mut self) {
        self.stream.kms_failure = None;
    }

    /// Places records by another strategy from now on, as UpdateStreamRecordDistributionStrategy does.
    ///
    /// # Errors
    ///
    /// `InvalidArgumentException` for AUTO if the stream is not on demand, `ResourceInUseException` if it is CREATING
    /// or DELETING.
    pub fn distribute(&mut self, strategy: RecordDistributionStrategy) -> Result<(), ServiceError> {
        self.stream.distribute(strategy)
    }

    /// Forgets the records of a shard with smaller numbers than `first`, as if they had expired.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such shard.
    pub fn trim_to(&mut self, shard: ShardId, first: SequenceNumber) -> Result<(), ServiceError> {
        self.shard(shard)?.trim_to(first);
        Ok(())
    }

    /// Forgets all records that arrived before `horizon`, and all shards that were closed before it, as if they had
    /// expired. A `horizon` in the future counts as now.
    pub fn trim_before(&mut self, horizon: SystemTime) {
        self.stream.trim_before(self.now.min(horizon.into()), self.now);
    }

    /// Closes an open shard now, and opens its two halves; the stream does not become UPDATING.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` if there is no such open shard, `ResourceInUseException` if the stream is not
    /// ACTIVE, `InvalidArgumentException` if the shard has only one hash key.
    pub fn close_shard(&mut self, shard: ShardId) -> Result<(), ServiceError> {
        self.stream.check_active()?;
        if !self.shard(shard)?.is_open() {
            return Err(refusal::no_shard(&shard.to_string(), &self.stream.identity));
        }
        let range = self.shard(shard)?.range;
        let (start, end) = (range.start().value(), range.end().value());
        if start == end {
            let message = format!("{shard} has one hash key and no halves.");
            return Err(ServiceError::invalid_argument(message));
        }
        let middle = HashKey::new(start + (end - start) / 2 + 1);
        self.stream.begin_era(self.now);
        self.stream.split(shard, middle, self.now);
        Ok(())
    }

    /// Starts to bring the stream to `target` shards of equal size, as the service does with on-demand streams on its
    /// own: the stream is UPDATING, for one [`Settings::resharding_time`] a round of splits or merges.
    ///
    /// # Errors
    ///
    /// `ResourceInUseException` if the stream is not ACTIVE, `InvalidArgumentException` if `target` is zero.
    pub fn scale(&mut self, target: u32) -> Result<(), ServiceError> {
        self.stream.check_active()?;
        if target == 0 {
            return Err(ServiceError::invalid_argument("A stream has at least one shard."));
        }
        let round = self.settings.resharding_time;
        self.stream.pending = Some(Pending {
            due: self.now + round,
            change: Change::Scale { target, round },
        });
        Ok(())
    }

    fn shard(&mut self, shard: ShardId) -> Result<&mut Shard, ServiceError> {
        self.stream.shard_named(&shard.to_string())
    }
}
