//! The pages of a shard, for what is looked up in it beside its reader.

use std::time::{Duration, Instant};

use service::Clock;

use crate::calls::{Calls, NextRead, Page, ReadFrom};
use crate::error::{CallErrorKind, StreamError};
use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::pacer::Brought;
use crate::stream::ShardRef;

/// The wait between two reads of a look-up that may use all of the shard's reads, of which the service allows five a second.
/// Our choice.
const WAIT: Duration = Duration::from_millis(250);

/// Reads on from a place, page by page, up to the newest record or the end of the shard.
///
/// A failed call changes nothing: the next one goes on behind the last record that was read. An iterator that has expired is
/// replaced there at once.
#[derive(Debug)]
pub(crate) struct Pages {
    calls: Calls,
    shard: ShardRef,
    clock: Clock,
    /// Between two reads.
    wait: Duration,
    /// Before this time there is no read.
    next_read_at: Option<Instant>,
    /// Where the next iterator begins, should the one at hand be of no use.
    resume: ReadFrom,
    next: Next,
}

/// A page that was read. It may be empty though more follow.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) records: Vec<RawRecord>,
    pub(crate) brought: Brought,
}

#[derive(Debug)]
enum Next {
    Begin,
    Read(String),
    Over,
}

impl Pages {
    /// Uses the part `read_share` of the shard's reads. Reading begins with the oldest record, unless it is told to
    /// [go elsewhere](Self::go_to).
    pub(crate) fn new(calls: Calls, shard: ShardRef, read_share: f64, clock: Clock) -> Self {
        Self {
            calls,
            shard,
            wait: WAIT.div_f64(read_share),
            next_read_at: None,
            resume: ReadFrom::TrimHorizon,
            next: Next::Begin,
            clock,
        }
    }

    /// Leaves the shard alone for a wait first: another reader may have read it just now.
    pub(crate) fn after_a_reader(mut self) -> Self {
        self.next_read_at = self.clock.now().checked_add(self.wait);
        self
    }

    /// Goes on from another place.
    pub(crate) fn go_to(&mut self, from: ReadFrom) {
        (self.resume, self.next) = (from, Next::Begin);
    }

    /// Asks the service for an iterator of the place to go on from.
    ///
    /// # Errors
    ///
    /// The service's.
    pub(crate) async fn begin(&mut self) -> Result<(), StreamError> {
        let iterator = self.calls.get_shard_iterator(&self.shard, &self.resume).await?;
        self.next = Next::Read(iterator);
        Ok(())
    }

    /// The next page, of up to `limit` records, once the shard may be read again. `None`: there are no more.
    ///
    /// # Errors
    ///
    /// The service's.
    pub(crate) async fn next(&mut self, limit: u32) -> Result<Option<Read>, StreamError> {
        let mut is_renewed = false;
        loop {
            let iterator = match &self.next {
                Next::Begin => {
                    self.begin().await?;
                    continue;
                }
                Next::Read(iterator) => iterator,
                Next::Over => return Ok(None),
            };
            if self.next_read_at.is_some() {
                self.clock.sleep_until(self.next_read_at).await;
            }
            let read = self.calls.get_records(&self.shard.stream, iterator, limit).await;
            self.next_read_at = self.clock.now().checked_add(self.wait);
            match read {
                Ok(page) => return Ok(Some(self.on_page(page))),
                Err(error) => {
                    let is_expired = matches!(error.kind, CallErrorKind::Iterator { .. });
                    if is_expired {
                        self.next = Next::Begin;
                    }
                    if !is_expired || is_renewed {
                        return Err(error);
                    }
                    is_renewed = true;
                }
            }
        }
    }

    fn on_page(&mut self, page: Page) -> Read {
        let Page {
            records,
            millis_behind_latest,
            next,
        } = page;
        if let Some(last) = records.last() {
            self.resume = ReadFrom::After(last.sequence_number.clone());
        }
        self.next = match next {
            NextRead::Iterator(iterator) if millis_behind_latest != Some(0) => Next::Read(iterator),
            NextRead::Iterator(_) | NextRead::End(_) | NextRead::Unknown => Next::Over,
        };
        let bytes = records
            .iter()
            .map(|record| record.data.len() + record.partition_key.len());
        let brought = Brought {
            records: records.len(),
            bytes: bytes.sum(),
            lag: millis_behind_latest.map(Duration::from_millis),
        };
        Read { records, brought }
    }
}
