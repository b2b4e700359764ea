//! The producing side: it puts every line, and learns from the receipts where each was stored.

use std::time::Duration;

use bytes::Bytes;
use kpl::{HashKey, Producer, Receipt, Record};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::input::{KeyPath, Lines};
use crate::ledger::Identity;
use crate::progress::Progress;
use crate::stream::Stream;

/// Receipts that may wait to be awaited; `put` pauses while there are more. About as many as the producer's budget has
/// room for, so that a slow shard does not hold back the others.
const WAITING_RECEIPTS: usize = 32 * 1024;

/// Receipts that are awaited and passed on together.
const CHUNK: usize = 512;

/// How long the producer may take to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// 2^128 divided by the golden ratio. Its multiples are spread evenly over the hash keys, so that any run of them goes
/// round the shards, however many there are.
const GOLDEN_STRIDE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// What is put, into what.
#[derive(Debug)]
pub(crate) struct Putter {
    pub(crate) producer: Producer,
    pub(crate) lines: Lines,
    pub(crate) key: KeyPath,
    /// The stream to split half-way, if any.
    pub(crate) split: Option<Stream>,
    pub(crate) progress: Progress,
}

/// A record that was accepted and whose outcome is not known yet.
#[derive(Debug)]
struct Accepted {
    number: u64,
    receipt: Receipt,
}

impl Putter {
    /// Puts all lines, and tells `acknowledged` where each was stored. Returns how many there were.
    pub(crate) async fn run(self, acknowledged: mpsc::Sender<Vec<Identity>>) -> Result<u64, Error> {
        let producer = self.producer.clone();
        let (accepted, outcomes) = mpsc::channel(WAITING_RECEIPTS);
        let (put, ()) = tokio::try_join!(self.put_all(accepted), await_all(outcomes, acknowledged))?;
        // Every receipt has its outcome, so nothing is left to deliver; without them, this would wait for the rest.
        producer.shutdown(SHUTDOWN_GRACE).await;
        Ok(put)
    }

    async fn put_all(mut self, accepted: mpsc::Sender<Accepted>) -> Result<u64, Error> {
        let mut put = 0;
        while let Some(line) = self.lines.next().await? {
            if let Some(stream) = self.split.take_if(|_| self.lines.past_the_middle()) {
                // What was put so far is being sent meanwhile; the rest is for the new shards.
                stream.split_a_shard().await?;
            }
            let number = put + 1;
            let record = match self.key.find(&line) {
                Some(key) => Record::new(key, line),
                None => round_robin(number, line),
            };
            // Waits while the producer's budget is used up, so memory stays flat however large the file is.
            let receipt = self.producer.put(record).await;
            let receipt = receipt.map_err(|source| Error::NotDelivered { number, source })?;
            if accepted.send(Accepted { number, receipt }).await.is_err() {
                break;
            }
            put = number;
            self.progress.put(self.lines.bytes_read());
        }
        Ok(put)
    }
}

/// A record whose place is its number's turn.
fn round_robin(number: u64, line: Bytes) -> Record {
    let turn = HashKey::new(u128::from(number).wrapping_mul(GOLDEN_STRIDE));
    Record::new(number.to_string(), line).with_explicit_hash_key(turn)
}

/// Awaits the receipts in the order of the records, a chunk at a time.
async fn await_all(
    mut accepted: mpsc::Receiver<Accepted>,
    acknowledged: mpsc::Sender<Vec<Identity>>,
) -> Result<(), Error> {
    let mut chunk = Vec::with_capacity(CHUNK);
    while accepted.recv_many(&mut chunk, CHUNK).await > 0 {
        let mut identities = Vec::with_capacity(chunk.len());
        for Accepted { number, receipt } in chunk.drain(..) {
            let delivered = receipt.await.map_err(|source| Error::NotDelivered { number, source })?;
            let identity = Identity::try_from(delivered).map_err(|source| Error::Receipt { number, source })?;
            identities.push(identity);
        }
        if acknowledged.send(identities).await.is_err() {
            break;
        }
    }
    Ok(())
}
