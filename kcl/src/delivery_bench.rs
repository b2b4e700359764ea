//! Pages of aggregates that are taken apart and delivered, for the benchmark `delivery`. Not part of the API.
//!
//! Everything between the reply of a read and the processor takes part, apart from the tasks and channels in between.

use std::time::{Duration, Instant};

use aggregation::{Encoder, UserRecordRef};
use bytes::Bytes;
use service::Clock;
use tokio::sync::watch;

use crate::checkpoint::position::{Position, SequenceNumber};
use crate::consumer::application::{Application, Called};
use crate::consumer::backlog::Backlog;
use crate::consumer::status::StatusBoard;
use crate::lease::guard::{LeaseEpoch, LeaseGuard, LeaseState, Signal};
use crate::lease::layout::TableLayout;
use crate::observers::Observers;
use crate::processor::Batch;
use crate::processor::handler_timeout::HandlerTimeout;
use crate::retrieval::deaggregate::RawRecord;
use crate::retrieval::permit::{Account, ReadBudget};
use crate::retrieval::source::Page;
use crate::stream::{Incarnation, ShardId, ShardRef, StreamRef};

/// The size of an aggregate. Source: the KPL's default `AggregationMaxSize`.
const AGGREGATE: usize = 51_200;

/// How long the lease of the benchmark lasts.
const LEASE: Duration = Duration::from_secs(60 * 60);

/// One page of aggregates, and what is needed to deliver it.
#[derive(Debug)]
pub struct Pages {
    page: Vec<RawRecord>,
    records: usize,
    account: Account,
    backlog: Backlog,
    application: Application,
    _lease: watch::Sender<LeaseState>,
}

impl Pages {
    /// A page of `aggregates` aggregates. Their records have `payload` bytes of data, and `keys` different keys.
    pub fn new(aggregates: usize, payload: usize, keys: usize, now: Instant) -> Self {
        let shard = ShardRef::new(StreamRef::parse("orders"), ShardId::new("shardId-000000000000"));
        let clock = Clock::default();
        let (lease, state) = watch::channel(LeaseState {
            valid_until: now + LEASE,
            signal: Signal::Run,
        });
        let (page, records) = page(aggregates, payload, keys);
        let key = TableLayout::OneStream(shard.stream.clone()).key_of(&shard);
        let observer = Observers::default().of_shard(shard.clone(), key);
        Self {
            page,
            records,
            account: ReadBudget::new(u64::MAX).account(),
            backlog: Backlog::new(observer.clone()),
            application: Application {
                board: StatusBoard::new(
                    shard,
                    LeaseEpoch(1),
                    Position::TrimHorizon,
                    watch::channel(None).1,
                    clock.clone(),
                ),
                guard: LeaseGuard::new(LeaseEpoch(1), state, clock.clone()),
                observer,
                clock,
                grace: Duration::ZERO,
                timeout: HandlerTimeout::default(),
            },
            _lease: lease,
        }
    }

    /// The user records of the page.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The data of the page's Kinesis records.
    pub fn data(&self) -> impl Iterator<Item = &Bytes> {
        self.page.iter().map(|record| &record.data)
    }

    /// Delivers the page to `process`, at most 10,000 records at a time. Returns how many records were delivered.
    pub async fn deliver(&mut self, mut process: impl FnMut(Batch) + Send) -> usize {
        self.backlog.put(Page {
            records: self.page.clone(),
            lag: None,
            asked_at: Clock::default().now(),
            stream: Incarnation::default(),
            permit: self.account.permit(1).await,
        });
        let mut delivered = 0;
        while let Some(delivery) = self.backlog.next(10_000, &Position::TrimHorizon) {
            delivered += delivery.records.len();
            let batch = Batch {
                records: delivery.records,
                lag: delivery.lag,
                lease: self.application.guard.clone(),
                _room: delivery.room,
            };
            let process = &mut process;
            let call = async move {
                process(batch);
                Ok(())
            };
            let called = self.application.call(Box::pin(call)).await;
            if !matches!(called, Called::Returned(Ok(()))) {
                return delivered;
            }
            self.backlog.processed();
        }
        delivered
    }
}

fn page(aggregates: usize, payload: usize, keys: usize) -> (Vec<RawRecord>, usize) {
    let data = vec![b'x'; payload];
    let (mut page, mut records) = (Vec::new(), 0_usize);
    for number in 0..aggregates {
        let mut encoder = Encoder::new();
        loop {
            let key = format!("customer-{:08}", records % keys);
            if !encoder.append_within(&UserRecordRef::new(&key, None, &data), AGGREGATE) {
                break;
            }
            records += 1;
        }
        let sequence_number: Result<SequenceNumber, _> = format!("{}", 49_000_000 + number).parse();
        if let (Some(aggregate), Ok(sequence_number)) = (encoder.seal(), sequence_number) {
            page.push(RawRecord {
                sequence_number,
                partition_key: "a".into(),
                data: aggregate.data,
                approximate_arrival: None,
            });
        }
    }
    (page, records)
}
