//! Pure: shard iterators, places in a shard that clients carry around.

use super::error::ServiceError;
use super::limits;
use super::sequence::SequenceNumber;
use super::shard_id::ShardId;
use super::timestamp::Timestamp;
use super::token;

/// A place in a shard, and the moment at which it was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardIterator {
    /// The account of the stream.
    pub(super) account: String,
    pub(super) stream: String,
    /// Tells apart streams that had the same name.
    pub(super) incarnation: u64,
    pub(super) shard: ShardId,
    /// The smallest sequence number to be read.
    pub(super) start: SequenceNumber,
    pub(super) issued: Timestamp,
    /// How often all iterators had been made to expire before.
    pub(super) generation: u64,
}

impl ShardIterator {
    /// Writes the form that travels.
    pub(super) fn seal(&self) -> String {
        token::seal(&[
            &self.account,
            &self.stream,
            &self.incarnation.to_string(),
            &self.shard.to_string(),
            &self.start.to_string(),
            &self.issued.as_millis().to_string(),
            &self.generation.to_string(),
        ])
    }

    /// Reads the form that travels.
    pub(super) fn open(text: &str) -> Result<Self, ServiceError> {
        Self::read(text).ok_or_else(|| ServiceError::invalid_argument("Invalid ShardIterator."))
    }

    fn read(text: &str) -> Option<Self> {
        let [account, stream, incarnation, shard, start, issued, generation] = token::open(text)?;
        Some(Self {
            account,
            stream,
            incarnation: incarnation.parse().ok()?,
            shard: shard.parse().ok()?,
            start: start.parse().ok()?,
            issued: Timestamp::from_millis(issued.parse().ok()?),
            generation: generation.parse().ok()?,
        })
    }

    /// Refuses an iterator that is older than five minutes or of an earlier generation.
    pub(super) fn check_age(&self, generation: u64, now: Timestamp) -> Result<(), ServiceError> {
        if now <= self.issued + limits::ITERATOR_LIFETIME && self.generation == generation {
            return Ok(());
        }
        Err(ServiceError::expired_iterator(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
             future than the tolerated delay of {} milliseconds.",
            self.issued,
            now,
            limits::ITERATOR_LIFETIME.as_millis()
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ISSUED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn iterator() -> ShardIterator {
        ShardIterator {
            account: "000000000000".to_owned(),
            stream: "a".repeat(limits::STREAM_NAME_CHARACTERS),
            incarnation: 7,
            shard: ShardId::FIRST,
            start: "49680419122947780365383216010721433195667954045917593602"
                .parse()
                .unwrap(),
            issued: ISSUED,
            generation: 0,
        }
    }

    #[test]
    fn an_iterator_is_read_back_and_short_enough_for_the_service() {
        let text = iterator().seal();
        assert!(text.len() <= limits::SHARD_ITERATOR_CHARACTERS, "{}", text.len());
        assert_eq!(ShardIterator::open(&text).unwrap(), iterator());
    }

    #[test]
    fn an_iterator_lives_for_five_minutes() {
        let last = ISSUED + Duration::from_secs(300);
        assert_eq!(iterator().check_age(0, last), Ok(()));
        let error = iterator().check_age(0, last + Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.code, "ExpiredIteratorException");
    }

    #[test]
    fn what_the_service_did_not_write_is_an_invalid_argument() {
        assert_eq!(
            ShardIterator::open("AAAAAAAAAAG6").unwrap_err().code,
            "InvalidArgumentException"
        );
    }
}
