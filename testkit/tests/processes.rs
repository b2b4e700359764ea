//! Processes that freeze, die, lose the network and mistake the time; and the plans that make them do so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::primitives::Blob;
use testkit::Service;
use testkit::kinesis::{KmsFailure, ShardId, Traffic};
use testkit::sim::observation::Lesson;
use testkit::sim::{Event, Fault, Latency, Plan, Process, Sim, Trouble, TroubleKind};
use tokio::time::sleep;

const STREAM: &str = "clicks";
const SECOND: Duration = Duration::from_secs(1);

fn sim() -> Sim {
    let sim = Sim::new(5);
    sim.create_stream(STREAM, 1).unwrap();
    sim
}

fn client(process: &Process) -> Client {
    let config = Builder::from(&process.sdk_config())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(SECOND).build());
    Client::from_conf(config.build())
}

async fn put(process: &Process) -> Result<(), String> {
    let put = client(process).put_record().stream_name(STREAM).partition_key("k");
    match put.data(Blob::new("x")).send().await {
        Ok(_) => Ok(()),
        Err(SdkError::TimeoutError(_)) => Err("time-out".to_owned()),
        Err(error) => Err(format!("{:?}", error.into_service_error())),
    }
}

fn stored(sim: &Sim) -> usize {
    sim.stream(STREAM).user_records().len()
}

/// Puts a record each second, until it dies.
fn run_putter(process: &Process) {
    process.run(|process| async move {
        loop {
            put(&process).await.unwrap_or_default();
            sleep(SECOND).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_makes_no_call_and_goes_on_when_thawed() {
    let sim = sim();
    let process = sim.process("putter");
    run_putter(&process);
    sim.advance(3 * SECOND).await;
    process.freeze();
    sim.advance(SECOND).await;
    let before = stored(&sim);
    assert!(before >= 3, "{before}");
    sim.advance(10 * SECOND).await;
    assert_eq!(stored(&sim), before);
    process.thaw();
    sim.advance(3 * SECOND).await;
    assert!(stored(&sim) > before);
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_is_gone_and_a_restart_runs_its_program_anew() {
    let sim = sim();
    let process = sim.process("putter");
    run_putter(&process);
    sim.advance(SECOND).await;
    process.kill();
    assert!(!process.is_alive());
    sim.advance(SECOND).await;
    let before = stored(&sim);
    assert!(process.tasks().is_empty(), "{:?}", process.tasks());
    sim.advance(10 * SECOND).await;
    assert_eq!(stored(&sim), before);
    let again = process.restart();
    assert!(
        again.is_alive() && !process.is_alive(),
        "the handle of the first life stays dead"
    );
    sim.advance(SECOND).await;
    assert!(stored(&sim) > before);
}

#[tokio::test(start_paused = true)]
async fn a_process_has_one_life_at_a_time_however_old_the_handle_is_that_restarts_it() {
    let sim = sim();
    let first = sim.process("putter");
    run_putter(&first);
    let second = first.restart();
    let third = first.restart();
    assert_eq!(
        [first.is_alive(), second.is_alive(), third.is_alive()],
        [false, false, true]
    );
    sim.advance(SECOND / 2).await;
    assert!(second.tasks().is_empty(), "{:?}", second.tasks());
    assert_eq!(third.tasks(), ["program"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_arrives_although_its_process_died_meanwhile() {
    let sim = Sim::builder()
        .latency(Service::Kinesis, Latency::new(2 * SECOND, Duration::ZERO))
        .build();
    sim.create_stream(STREAM, 1).unwrap();
    let process = sim.process("putter");
    run_putter(&process);
    sim.advance(SECOND / 2).await;
    process.kill();
    assert_eq!(stored(&sim), 0);
    sim.advance(5 * SECOND).await;
    assert_eq!(stored(&sim), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_killed_process_has_no_result() {
    let sim = sim();
    let process = sim.process("sleeper");
    let short = process.spawn(async { 7 });
    let long = process.spawn(sleep(100 * SECOND));
    assert_eq!(short.await, Some(7));
    process.kill();
    assert_eq!(long.await, None);
    assert!(sim.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_process_cut_off_from_one_service_reaches_the_other() {
    let sim = sim();
    let process = sim.process("putter");
    process.cut_off(Service::Kinesis);
    assert_eq!(put(&process).await, Err("time-out".to_owned()));
    assert_eq!(put(&sim.process("other")).await, Ok(()));
    let tables = aws_sdk_dynamodb::Client::new(&process.sdk_config())
        .list_tables()
        .send()
        .await;
    assert!(tables.is_ok());
    process.reconnect(Service::Kinesis);
    assert_eq!(put(&process).await, Ok(()));
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_meets_the_cut_never_comes() {
    let sim = Sim::builder()
        .latency(Service::Kinesis, Latency::new(SECOND / 2, Duration::ZERO))
        .build();
    sim.create_stream(STREAM, 1).unwrap();
    let process = sim.process("putter");
    let putting = process.spawn({
        let process = process.clone();
        async move { put(&process).await }
    });
    sim.advance(Duration::from_millis(300)).await;
    process.cut_off(Service::Kinesis);
    assert_eq!(putting.await, Some(Err("time-out".to_owned())));
    assert_eq!(stored(&sim), 1, "it had arrived");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_one_processs_alone() {
    let sim = sim();
    let seen = |name: &str| {
        let config = sim.process(name).sdk_config();
        let now = config.time_source().unwrap().now();
        now.duration_since(UNIX_EPOCH).unwrap().as_secs()
    };
    let right = seen("a");
    sim.process("a").set_clock_ahead(3_600 * SECOND);
    sim.process("b").set_clock_behind(60 * SECOND);
    assert_eq!([seen("a"), seen("b"), seen("c")], [right + 3_600, right - 60, right]);
    sim.process("a").set_clock_behind(Duration::ZERO);
    assert_eq!(seen("a"), right);
    // The services' clock is right, whatever the caller's.
    assert_eq!(put(&sim.process("b")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_duplicated_call_is_applied_twice_and_answered_once() {
    let sim = sim();
    sim.faults(|_call| Fault::Duplicated(3 * SECOND));
    assert_eq!(put(&sim.process("putter")).await, Ok(()));
    assert_eq!(stored(&sim), 1);
    sim.advance(5 * SECOND).await;
    assert_eq!(stored(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_and_noted() {
    let sim = sim();
    let process = sim.process("putter");
    let starts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&starts);
    process.run(move |_process| {
        counted.fetch_add(1, Ordering::Relaxed);
        sleep(1_000 * SECOND)
    });
    let trouble = |from: u64, lasts: u64, kind| Trouble {
        from: Duration::from_secs(from),
        lasts: Duration::from_secs(lasts),
        process: Some("putter".to_owned()),
        kind,
    };
    let failing = TroubleKind::Calls {
        service: Service::Kinesis,
        operation: None,
        percent: 100,
        fault: Fault::throttled(),
    };
    let kms = TroubleKind::Kms {
        stream: STREAM.to_owned(),
        failure: KmsFailure::Disabled,
    };
    sim.follow(Plan {
        troubles: vec![
            trouble(1, 2, TroubleKind::Crash),
            trouble(5, 2, failing),
            trouble(8, 2, kms),
        ],
    });

    sim.advance(2 * SECOND).await;
    assert!(!sim.process("putter").is_alive());
    sim.advance(2 * SECOND).await;
    assert!(sim.process("putter").is_alive());
    assert_eq!(starts.load(Ordering::Relaxed), 2);
    for (until, error) in [(6, "ProvisionedThroughputExceeded"), (9, "KmsDisabled")] {
        sim.advance(Duration::from_secs(until).saturating_sub(sim.elapsed()))
            .await;
        let refused = put(&sim.process("putter")).await.unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
    sim.advance(2 * SECOND).await;
    assert_eq!(put(&sim.process("putter")).await, Ok(()));

    let lines: Vec<String> = sim
        .events()
        .iter()
        .filter(|event| !matches!(event, Event::Call(_)))
        .map(Event::to_string)
        .collect();
    assert_eq!(
        lines[..4],
        [
            "+1.000s plan: begins 1.0-3.0s putter: crash",
            "+1.000s putter is killed",
            "+3.000s plan: ends 1.0-3.0s putter: crash",
            "+3.000s putter is started again",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_troubles_of_one_kind_the_first_end_ends_neither() {
    let sim = sim();
    let cut = |from: u64, lasts: u64| Trouble {
        from: Duration::from_secs(from),
        lasts: Duration::from_secs(lasts),
        process: Some("putter".to_owned()),
        kind: TroubleKind::CutOff(Service::Kinesis),
    };
    sim.follow(Plan {
        troubles: vec![cut(1, 4)],
    });
    sim.follow(Plan {
        troubles: vec![cut(2, 6)],
    });
    let process = sim.process("putter");
    sim.advance(Duration::from_millis(5_500)).await;
    assert_eq!(put(&process).await, Err("time-out".to_owned()));
    sim.advance(3 * SECOND).await;
    assert_eq!(put(&process).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_test_reshards_throttles_and_reads_a_stream_without_calls() {
    let sim = sim();
    let clicks = sim.stream(STREAM);
    clicks.put("k", "one").unwrap();
    clicks.split(ShardId::FIRST).unwrap();
    sim.advance(SECOND).await;
    let [left, right] = clicks.open_shards()[..] else {
        panic!("{:?}", clicks.open_shards())
    };
    clicks.throttle(left, Traffic::Writes).unwrap();
    clicks.throttle(right, Traffic::Writes).unwrap();
    assert!(clicks.put("k", "two").is_err());
    clicks.release(left, Traffic::Writes).unwrap();
    clicks.release(right, Traffic::Writes).unwrap();
    clicks.put("k", "three").unwrap();
    clicks.merge(left, right).unwrap();
    assert!(sim.until(5 * SECOND, || clicks.open_shards().len() == 1).await);
    let data: Vec<_> = clicks.user_records().into_iter().map(|record| record.data).collect();
    assert_eq!(data, ["one", "three"]);
    assert!(sim.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_unusable_until_the_last_of_two_troubles_with_it_ends() {
    let sim = sim();
    let kms = |from, lasts, failure| Trouble {
        from: SECOND * from,
        lasts: SECOND * lasts,
        process: None,
        kind: TroubleKind::Kms {
            stream: STREAM.to_owned(),
            failure,
        },
    };
    sim.follow(Plan {
        troubles: vec![kms(1, 3, KmsFailure::Disabled), kms(2, 5, KmsFailure::NotFound)],
    });
    sim.advance(SECOND * 5).await;
    let refused = put(&sim.process("putter")).await.unwrap_err();
    assert!(refused.contains("KmsNotFound"), "{refused}");
    sim.advance(SECOND * 3).await;
    assert_eq!(put(&sim.process("putter")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no such option")]
async fn a_program_that_panics_ends_the_test() {
    let sim = sim();
    sim.process("worker").run(|_process| async { panic!("no such option") });
    sim.advance(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_among_the_events() {
    let sim = sim();
    sim.process("worker").run(|_process| async { panic!("no such option") });
    sleep(SECOND).await;
    let told: Vec<String> = sim.events().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["+0.000s worker panics"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_freezes_at_a_call_has_sent_it() {
    let sim = sim();
    sim.follow(Plan {
        troubles: vec![Trouble {
            from: Duration::from_millis(3_500),
            lasts: 10 * SECOND,
            process: Some("putter".to_owned()),
            kind: TroubleKind::FreezeAtCall(Service::Kinesis),
        }],
    });
    run_putter(&sim.process("putter"));
    sim.advance(13 * SECOND).await;
    let puts = stored(&sim);
    let frozen: Vec<String> = sim.events().iter().map(Event::to_string).collect();
    let frozen = frozen
        .iter()
        .position(|event| event.ends_with("putter is frozen"))
        .unwrap();
    let after = sim.events().split_off(frozen + 1);
    assert!(
        matches!(&after[..], [Event::Call(_)]),
        "the call that it was frozen at: {after:?}"
    );
    sim.advance(3 * SECOND).await;
    assert!(stored(&sim) > puts);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_learns_that_a_stream_is_missing_when_it_thaws() {
    let sim = Sim::new(5);
    let process = sim.process("putter");
    process.freeze_at_call(Service::Kinesis);
    run_putter(&process);
    sim.advance(SECOND / 2).await;
    assert!(sim.learnt_after(0).is_empty());
    process.thaw();
    sim.advance(SECOND / 4).await;
    let learnt = sim.learnt_after(0);
    let [(at, caller, Lesson::Missing { answered })] = learnt.as_slice() else {
        panic!("{learnt:?}");
    };
    assert_eq!((*at, &**caller), (SECOND / 2, "putter"));
    assert!(*answered < SECOND / 2, "{answered:?}");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_process_goes_on_from_where_it_stood_and_its_time_counts_the_gap() {
    let sim = sim();
    let process = sim.process("sleeper");
    let clock = process.clock();
    let (monotonic, now, wall) = (clock.monotonic(), clock.now(), clock.wall());
    let slept = process.spawn({
        let clock = clock.clone();
        async move {
            clock.sleep(5 * SECOND).await;
            (clock.monotonic() - monotonic, clock.now() - now)
        }
    });
    let waited = process.spawn({
        let clock = clock.clone();
        async move {
            clock.sleep_until(Some(now + 20 * SECOND)).await;
            clock.now() - now
        }
    });
    sim.advance(2 * SECOND).await;
    process.suspend();
    sim.advance(60 * SECOND).await;
    assert_eq!(clock.monotonic() - monotonic, 2 * SECOND);
    assert_eq!(process.tasks().len(), 2, "nothing moves");
    process.resume();
    assert_eq!(slept.await, Some((5 * SECOND, 65 * SECOND)));
    assert!(
        waited.await.unwrap() <= 72 * SECOND,
        "it compares again half way at the latest"
    );
    assert_eq!(clock.wall().duration_since(wall).unwrap(), sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_time_outs_of_a_suspended_processs_clients_stand_still() {
    let sim = sim();
    let process = sim.process("putter");
    sim.faults(|_call| Fault::RequestHangs);
    let read = TimeoutConfig::builder().read_timeout(SECOND).build();
    let attempt = TimeoutConfig::builder().operation_timeout(SECOND).build();
    for limits in [read, attempt] {
        let config = Builder::from(&process.sdk_config())
            .retry_config(RetryConfig::disabled())
            .timeout_config(limits);
        let call = Client::from_conf(config.build()).list_streams();
        let begun = sim.elapsed();
        let failed = process.spawn(async move { call.send().await.is_err() });
        sim.advance(SECOND / 2).await;
        process.suspend();
        sim.advance(60 * SECOND).await;
        process.resume();
        assert_eq!(failed.await, Some(true));
        assert_eq!(sim.elapsed() - begun, 61 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_goes_on_when_it_is_neither_frozen_nor_suspended() {
    let sim = sim();
    let process = sim.process("putter");
    run_putter(&process);
    process.freeze();
    process.suspend();
    sim.advance(SECOND).await;
    process.thaw();
    let second = process.restart();
    sim.advance(SECOND).await;
    assert_eq!(stored(&sim), 0, "the machine of the second life is suspended too");
    second.resume();
    sim.advance(SECOND).await;
    assert!(stored(&sim) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_plan_suspends_a_process_and_resumes_it() {
    let sim = sim();
    sim.follow(Plan {
        troubles: vec![Trouble {
            from: SECOND,
            lasts: 2 * SECOND,
            process: Some("laptop".to_owned()),
            kind: TroubleKind::Suspend,
        }],
    });
    sim.advance(4 * SECOND).await;
    let lines: Vec<String> = sim.events().iter().map(Event::to_string).collect();
    assert_eq!(
        lines,
        [
            "+1.000s plan: begins 1.0-3.0s laptop: suspend",
            "+1.000s laptop is suspended",
            "+3.000s plan: ends 1.0-3.0s laptop: suspend",
            "+3.000s laptop is resumed",
        ]
    );
    assert_eq!(
        sim.process("laptop").clock().now() - sim.process("laptop").clock().monotonic(),
        2 * SECOND
    );
}
