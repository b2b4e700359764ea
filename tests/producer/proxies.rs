//! A proxy between that refuses requests: what is too large is cut, and what stays refused is returned with its status.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kpl::{Delivered, Producer, PutError, PutErrorKind, Record};
use testkit::sim::{Fault, Sim};
use tokio::time::timeout;

use super::{HALF_MINUTE, producer, record, sim, stored};

const MINUTE: Duration = Duration::from_secs(60);

/// Bodies of requests with more bytes do not pass.
const LARGEST: usize = 64 * 1024;

/// The number of requests that did not pass so far.
#[derive(Debug, Clone, Default)]
struct Refused(Arc<AtomicUsize>);

impl Refused {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A proxy that lets small requests pass.
fn limit(sim: &Sim, largest: usize) -> Refused {
    let refused = Refused::default();
    let counted = refused.clone();
    sim.faults(move |call| {
        if call.operation == "PutRecords" && call.body.len() > largest {
            counted.0.fetch_add(1, Ordering::Relaxed);
        }
        Fault::Intercepted { status: 413, largest }
    });
    refused
}

fn of_size(n: usize, bytes: usize) -> Record {
    let mut data = format!("data-{n}").into_bytes();
    data.resize(bytes, b'.');
    Record::new(format!("key-{n}"), data)
}

/// Puts records as fast as they go, waits for their outcomes and returns how many were not delivered.
async fn put(producer: &Producer, records: impl Iterator<Item = Record>) -> usize {
    let mut receipts = Vec::new();
    for record in records {
        receipts.push(producer.put(record).await.unwrap());
    }
    let outcomes = timeout(10 * MINUTE, join_all(receipts))
        .await
        .expect("every record has its outcome");
    outcomes.iter().filter(|outcome| outcome.is_err()).count()
}

async fn outcome_of(producer: &Producer, record: Record) -> Result<Delivered, PutError> {
    let receipt = producer.put(record).await.unwrap();
    timeout(10 * MINUTE, receipt)
        .await
        .expect("every record has its outcome")
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_every_request_returns_records_after_a_minute_with_status_and_remedy() {
    for status in [403, 404, 407] {
        for only in [None, Some("PutRecords"), Some("ListShards")] {
            let sim = sim(2);
            sim.faults(move |call| match only.is_none_or(|only| call.operation == only) {
                true => Fault::Intercepted { status, largest: 0 },
                false => Fault::None,
            });
            let producer = producer(&sim).build().unwrap();
            let error = outcome_of(&producer, record(0)).await.unwrap_err();
            let code = format!("HTTP {status}");
            assert_eq!(error.kind(), &PutErrorKind::Intercepted { code });
            assert_eq!(producer.stats().failures.intercepted, 1);
            let text = error.to_string();
            for word in [&status.to_string(), "proxy", "credentials"] {
                assert!(text.contains(word), "{text}");
            }
            let took = sim.elapsed();
            assert!(
                took >= MINUTE && took < MINUTE + Duration::from_secs(5),
                "{status}: {took:?}"
            );
            let calls = sim.calls().len();
            assert!(calls < 200, "{status}: {calls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_signature_does_not_arrive_is_given_up_after_a_minute() {
    for (code, within) in [
        ("MissingAuthenticationToken", MINUTE),
        ("MissingAuthenticationTokenException", MINUTE),
        ("IncompleteSignature", MINUTE),
        ("NotAuthorized", Duration::ZERO),
    ] {
        let sim = sim(2);
        sim.faults(move |_call| Fault::Error {
            status: 403,
            code: code.to_owned(),
            message: "injected".to_owned(),
        });
        let producer = producer(&sim).build().unwrap();
        let error = outcome_of(&producer, record(0)).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        let took = sim.elapsed();
        assert!(
            took >= within && took < within + Duration::from_secs(5),
            "{code}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_for_half_a_minute_costs_no_record() {
    let sim = sim(2);
    let begin = sim.now();
    sim.faults(move |call| match call.now < begin + HALF_MINUTE {
        true => Fault::Intercepted {
            status: 403,
            largest: 0,
        },
        false => Fault::None,
    });
    let producer = producer(&sim).build().unwrap();
    assert_eq!(put(&producer, (0..100).map(record)).await, 0);
}

/// A text that the proxy takes for an attack.
const OFFENSIVE: &str = "DROP TABLE users";

/// How it looks in the base64 of a request's body, wherever in the data it is.
const OFFENSIVE_IN_BASE64: [&str; 3] = ["RFJPUCBUQUJMRSB1c2Vyc", "RST1AgVEFCTEUgdXNlcn", "EUk9QIFRBQkxFIHVzZXJz"];

#[tokio::test(start_paused = true)]
async fn a_record_that_a_proxy_refuses_for_its_content_comes_back_alone() {
    let sim = sim(2);
    sim.faults(move |call| {
        let body = String::from_utf8_lossy(call.body);
        match OFFENSIVE_IN_BASE64.iter().any(|text| body.contains(text)) {
            true => Fault::Intercepted {
                status: 403,
                largest: 0,
            },
            false => Fault::None,
        }
    });
    let producer = producer(&sim).build().unwrap();
    let mut receipts = Vec::new();
    for n in 0..500 {
        let data = if n == 123 { OFFENSIVE } else { "harmless" };
        receipts.push(producer.put(Record::new(format!("key-{n}"), data)).await.unwrap());
    }
    let offensive = receipts.swap_remove(123);
    let outcomes = timeout(10 * MINUTE, join_all(receipts))
        .await
        .expect("every record has its outcome");
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(sim.elapsed() < Duration::from_secs(5), "{:?}", sim.elapsed());
    let error = timeout(10 * MINUTE, offensive).await.unwrap().unwrap_err();
    let code = "HTTP 403".to_owned();
    assert_eq!(error.kind(), &PutErrorKind::Intercepted { code });
    let (took, calls) = (sim.elapsed(), sim.calls().len());
    assert!(took >= MINUTE && took < MINUTE + Duration::from_secs(5), "{took:?}");
    assert!(calls < 60, "{calls}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_too_large_for_a_proxy_are_cut_and_the_size_that_passed_is_kept_to() {
    for (bytes, count) in [(100, 5_000), (1_000, 1_000), (20_000, 50)] {
        let sim = sim(4);
        let refused = limit(&sim, LARGEST);
        let producer = producer(&sim).build().unwrap();
        assert_eq!(put(&producer, (0..count).map(|n| of_size(n, bytes))).await, 0);
        assert_eq!(stored(&sim).len(), count, "nothing is stored twice");
        let learnt = refused.count();
        assert!(learnt > 0, "{bytes}");
        for _ in 0..48 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let records = 0..count / 2;
            assert_eq!(put(&producer, records.map(|n| of_size(n, bytes))).await, 0);
        }
        assert_eq!(refused.count(), learnt, "of {bytes} bytes, in four minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn aggregates_that_are_too_large_for_a_proxy_are_cut_before_they_are_sent() {
    let sim = sim(1);
    let refused = limit(&sim, LARGEST);
    let producer = producer(&sim).aggregation_max_size(1_000_000).build().unwrap();
    assert_eq!(put(&producer, (0..3_000).map(|n| of_size(n, 300))).await, 0);
    let learnt = refused.count();
    assert!(learnt > 0);
    for _ in 0..10 {
        assert_eq!(put(&producer, (0..3_000).map(|n| of_size(n, 300))).await, 0);
    }
    assert_eq!(refused.count(), learnt);
}

#[tokio::test(start_paused = true)]
async fn a_larger_request_is_tried_each_five_minutes_and_one_at_a_time() {
    let sim = sim(4);
    let refused = limit(&sim, LARGEST);
    let producer = producer(&sim).build().unwrap();
    let second = |n: usize| (n..n + 300).map(|n| of_size(n, 1_000));
    assert_eq!(put(&producer, second(0)).await, 0);
    let learnt = refused.count();
    for _ in 0..16 * 12 {
        assert_eq!(put(&producer, second(0)).await, 0);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let tried = refused.count() - learnt;
    assert!((2..=4).contains(&tried), "{tried} in a quarter of an hour");
    sim.heal();
    for _ in 0..6 * 12 {
        put(&producer, second(0)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let before = sim.calls().len();
    put(&producer, second(0)).await;
    let calls = sim.calls().len() - before;
    assert!(calls <= 6, "{calls} requests for 300 records");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_alone_too_large_for_a_proxy_is_returned_with_its_size_and_its_neighbours_are_delivered() {
    let sim = sim(1);
    limit(&sim, LARGEST);
    let producer = producer(&sim).build().unwrap();
    let mut receipts = Vec::new();
    for n in 0..20 {
        let bytes = if n == 7 { 100_000 } else { 1_000 };
        receipts.push(producer.put(of_size(n, bytes)).await.unwrap());
    }
    let outcomes = timeout(10 * MINUTE, join_all(receipts))
        .await
        .expect("every record has its outcome");
    let returned: Vec<_> = (0..20).filter(|n| outcomes[*n].is_err()).collect();
    assert_eq!(returned, [7]);
    let error = outcomes.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), &PutErrorKind::RequestTooLarge { bytes: 100_005 });
    assert_eq!(producer.stats().failures.request_too_large, 1);
    let text = error.to_string();
    assert!(text.contains("413") && text.contains("100005 bytes"), "{text}");
    assert!(!error.may_have_been_stored(), "{text}");
    assert!(sim.elapsed() < Duration::from_secs(5), "{:?}", sim.elapsed());
}
