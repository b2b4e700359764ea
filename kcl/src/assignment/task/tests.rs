//! A search over a simulated table whose writes fail.

use std::sync::Mutex;
use std::time::SystemTime;

use aws_sdk_dynamodb::Client;
use testkit::Service;
use testkit::sim::{Fault, Latency, Sim};

use super::*;
use crate::assignment::origin::StreamAtStart;
use crate::assignment::taker::{TakerPolicy, VeryOldLeases};
use crate::checkpoint::position::Position;
use crate::consumer::shards::Shards;
use crate::coordination::rule::Coordination;
use crate::lease::dynamodb::DynamoDbLeaseTable;
use crate::lease::listings::Listings;
use crate::lease::ownership::Terms;
use crate::lease::renewer::{RenewerParts, RenewerTask};
use crate::retrieval::permit::ReadBudget;
use crate::shard_sync::audit_signals::AuditSignals;
use crate::shard_sync::former::OnRecreated;
use crate::stream::Incarnation;
use crate::trouble::Trouble;

/// Leases that nobody has: a search takes all of them, one after the other.
const LEASES: u64 = 8;

const FAILOVER: Duration = Duration::from_secs(10);

/// How long a take may be unanswered here.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// A table that answers at once, and a worker that searches in it.
struct Bench {
    sim: Sim,
    table: Arc<dyn LeaseTable>,
}

impl Bench {
    async fn new() -> Self {
        let sim = Sim::builder().latency(Service::DynamoDb, Latency::ZERO).build();
        let client = Client::new(&sim.client("w1"));
        let table = DynamoDbLeaseTable::new(&client, "leases".to_owned(), "billing", Clock::default());
        table.open().await.unwrap();
        for number in 0..LEASES {
            let lease = Lease::of_orders(&format!("shardId-{number:012}"), Position::TrimHorizon);
            table.create(&lease).await.unwrap();
        }
        let table = Arc::new(table);
        Self { sim, table }
    }

    /// The times between the sendings of the takes of one search, if `fault` tells what becomes of the nth of them.
    async fn gaps(&self, seed: u64, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Vec<Duration> {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let takes = Arc::clone(&sent);
        self.sim.faults(move |call| match call.operation {
            "UpdateItem" => {
                let mut takes = takes.lock().unwrap();
                takes.push(call.now);
                fault(takes.len() - 1)
            }
            _ => Fault::None,
        });
        let (assignment, renewing, _owned) = self.assignment(fastrand::Rng::with_seed(seed));
        // The next search comes later than all takes of the first one.
        let searching = Clock::default().timeout(FAILOVER * 50, assignment.run(CancellationToken::new()));
        tokio::select! {
            biased;
            searched = searching => assert!(searched.is_none(), "the search goes on"),
            renewed = renewing.run() => renewed.unwrap(),
        }
        let sent = sent.lock().unwrap();
        let gap = |pair: &[SystemTime]| pair[1].duration_since(pair[0]).unwrap();
        sent.windows(2).take(7).map(gap).collect()
    }

    fn assignment(&self, mut rng: fastrand::Rng) -> (Assignment, RenewerTask, mpsc::Receiver<OwnedLease>) {
        let (clock, worker) = (Clock::default(), WorkerId::new("w1"));
        let (renewer, renewing) = Renewer::new(RenewerParts {
            table: Arc::clone(&self.table),
            worker: worker.clone(),
            terms: Terms {
                failover: FAILOVER,
                renewal: FAILOVER * 100,
            },
            write_timeout: WRITE_TIMEOUT,
            writes: Trouble::default(),
            listings: Listings::new().0,
            clock: clock.clone(),
            rng: rng.fork(),
            observers: Observers::default(),
        });
        let policy = TakerPolicy {
            failover: FAILOVER,
            max_leases: usize::MAX,
            max_leases_to_steal: 1,
            very_old_leases: VeryOldLeases::TakenFirst,
        };
        let (owned, leases) = mpsc::channel(64);
        let assignment = Assignment {
            clock,
            worker: worker.clone(),
            table: Arc::clone(&self.table),
            coordination: Coordination::Kcl2,
            other_streams: OtherStreams {
                stream: Arc::new(StreamAtStart::new(Incarnation::default(), &[])),
                on_recreated: OnRecreated::Halt,
                found: Arc::default(),
                replaced: CancellationToken::new(),
            },
            renewer,
            health: HealthBoard::default(),
            taker: Taker::new(worker, policy),
            token_bases: TokenBases::default(),
            interval: FAILOVER * 100,
            write_timeout: WRITE_TIMEOUT,
            rng,
            observers: Observers::default(),
            gauges: Gauges {
                shards: Shards::default(),
                budget: ReadBudget::new(0),
            },
            owned,
            new_leases: Arc::default(),
            children: mpsc::channel(1).1,
            finished: BTreeSet::new(),
            audits: AuditSignals::new().0,
        };
        (assignment, renewing, leases)
    }
}

/// The longest waits after takes that fail one after the other; jitter leaves out up to half of each.
const WAITS: [u64; 7] = [100, 200, 400, 800, 1_600, 2_000, 2_000];

fn assert_growing(gaps: &[Duration], each_take: Duration) {
    assert_eq!(gaps.len(), WAITS.len());
    for (gap, longest) in gaps.iter().zip(WAITS.map(Duration::from_millis)) {
        let wait = gap.checked_sub(each_take).unwrap();
        // The simulated service counts whole milliseconds.
        let millisecond = Duration::from_millis(1);
        assert!(
            wait + millisecond >= longest / 2 && wait <= longest + millisecond,
            "{gaps:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn takes_that_are_throttled_or_denied_are_followed_by_waits_that_grow_to_two_seconds() {
    for fault in [Fault::throttled(), Fault::access_denied()] {
        let gaps = Bench::new().await.gaps(1, move |_| fault.clone()).await;
        assert_growing(&gaps, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn takes_that_are_unanswered_are_followed_by_waits_that_grow_to_two_seconds() {
    let gaps = Bench::new().await.gaps(1, |_| Fault::RequestHangs).await;
    assert_growing(&gaps, WRITE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn workers_that_are_throttled_at_once_do_not_try_again_at_once() {
    let one = Bench::new().await.gaps(1, |_| Fault::throttled()).await;
    let other = Bench::new().await.gaps(2, |_| Fault::throttled()).await;
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one, other);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_take_that_succeeds_the_waits_begin_anew() {
    let fault = |nth| match nth {
        3 => Fault::None,
        _ => Fault::throttled(),
    };
    let gaps = Bench::new().await.gaps(1, fault).await;
    let after_the_next_failure = gaps[4];
    assert!(
        after_the_next_failure <= Duration::from_millis(WAITS[0] + 1),
        "{gaps:?}"
    );
    assert_eq!(gaps[3], Duration::ZERO, "no wait after a success");
}
