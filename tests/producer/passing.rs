//! Troubles of a KMS key or of credentials that pass cost no record; those that stay return records with their reason.

use std::time::Duration;

use futures::future::join_all;
use kpl::{PutErrorKind, Receipt};
use testkit::kinesis::KmsFailure;
use testkit::sim::{Fault, Sim};

use super::{HALF_MINUTE, Heard, STREAM, producer, record, sim};

const MINUTE: Duration = Duration::from_secs(60);

/// The records, one each second.
async fn put_each_second(producer: &kpl::Producer, records: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for n in 0..records {
        receipts.push(producer.put(record(n)).await.unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    receipts
}

fn refused(code: &str) -> Fault {
    Fault::Error {
        status: 400,
        code: code.to_owned(),
        message: "The security token included in the request is invalid.".to_owned(),
    }
}

fn fail_kms(sim: &Sim, failure: Option<KmsFailure>) {
    sim.kinesis(|kinesis| {
        let mut stream = kinesis.control(STREAM).unwrap();
        match failure {
            Some(failure) => stream.fail_kms(failure),
            None => stream.restore_kms(),
        }
    });
}

fn put_calls(sim: &Sim) -> usize {
    let calls = sim.calls();
    calls.iter().filter(|call| call.operation == "PutRecords").count()
}

#[tokio::test(start_paused = true)]
async fn a_kms_key_that_cannot_be_used_for_three_minutes_costs_no_record_and_is_told() {
    for failure in [
        KmsFailure::Disabled,
        KmsFailure::AccessDenied,
        KmsFailure::InvalidState,
        KmsFailure::NotFound,
    ] {
        let sim = sim(2);
        let heard = Heard::default();
        let producer = producer(&sim).on_event(heard.listener()).build().unwrap();
        fail_kms(&sim, Some(failure));
        let mut receipts = put_each_second(&producer, 180).await;
        let stats = producer.stats();
        assert!(stats.requests_failed > 10 && stats.retries > 10, "{stats:?}");
        fail_kms(&sim, None);
        receipts.extend(put_each_second(&producer, 60).await);
        let outcomes = join_all(receipts).await;
        let returned = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert_eq!(returned, 0, "{failure:?}");
        assert!(heard.any("KMS"), "{failure:?}: {heard:?}");
        let calls = put_calls(&sim);
        assert!(calls < 500, "{calls} calls in four minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn records_wait_for_a_kms_key_until_they_expire() {
    let sim = sim(1);
    let producer = producer(&sim).record_ttl(HALF_MINUTE).build().unwrap();
    fail_kms(&sim, Some(KmsFailure::Disabled));
    let error = producer.put(record(0)).await.unwrap().await.unwrap_err();
    assert_eq!(error.kind(), &PutErrorKind::Expired);
    assert!(error.to_string().contains("KMSDisabledException"), "{error}");
    assert!(sim.elapsed() >= HALF_MINUTE, "{:?}", sim.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_access_key_that_is_unknown_to_one_call_costs_no_record() {
    for code in ["UnrecognizedClientException", "InvalidClientTokenId"] {
        for first in ["ListShards", "PutRecords"] {
            let sim = sim(2);
            sim.faults(move |call| match call.operation == first && call.ordinal < 3 {
                true => refused(code),
                false => Fault::None,
            });
            let producer = producer(&sim).build().unwrap();
            let outcomes = join_all(put_each_second(&producer, 20).await).await;
            assert!(outcomes.iter().all(Result::is_ok), "{code} to {first}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_access_key_that_the_service_learns_of_after_eight_seconds_costs_no_record() {
    let sim = sim(2);
    let begin = sim.now();
    sim.faults(move |call| match call.now < begin + Duration::from_secs(8) {
        true => refused("UnrecognizedClientException"),
        false => Fault::None,
    });
    let producer = producer(&sim).build().unwrap();
    let outcomes = join_all(put_each_second(&producer, 20).await).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn an_access_key_that_stays_unknown_returns_records_after_a_minute_and_then_at_once() {
    for only in [None, Some("PutRecords")] {
        let sim = sim(2);
        sim.faults(move |call| match only.is_none_or(|only| call.operation == only) {
            true => refused("UnrecognizedClientException"),
            false => Fault::None,
        });
        let producer = producer(&sim).build().unwrap();
        let error = producer.put(record(0)).await.unwrap().await.unwrap_err();
        let code = "UnrecognizedClientException".to_owned();
        assert_eq!(error.kind(), &PutErrorKind::CredentialsRefused { code });
        assert_eq!(producer.stats().failures.credentials_refused, 1);
        assert!(error.to_string().contains("credentials"), "{error}");
        let took = sim.elapsed();
        assert!(took >= MINUTE && took < MINUTE + Duration::from_secs(5), "{took:?}");
        let calls = sim.calls().len();
        assert!(calls < 200, "{calls}");
        producer.put(record(1)).await.unwrap().await.unwrap_err();
        assert!(sim.elapsed() < took + Duration::from_secs(5), "{:?}", sim.elapsed());
        sim.heal();
        assert!(producer.put(record(2)).await.unwrap().await.is_ok());
    }
}
