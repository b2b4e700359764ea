//! A flush and each end of a producer, on purpose or not: no receipt is left without an outcome.

use std::time::Duration;

use futures::future::join_all;
use kpl::{PutErrorKind, Record, ShutdownEnd};
use testkit::Service;
use testkit::sim::Fault;

use super::{HALF_MINUTE, producer, put_all, record, sim, stored};

#[tokio::test(start_paused = true)]
async fn flush_is_a_barrier() {
    let sim = sim(4);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let mut receipts = Vec::new();
    for n in 0..100 {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    let before = sim.elapsed();
    producer.flush().await.unwrap();
    assert!(sim.elapsed() - before < Duration::from_secs(1));
    assert_eq!(stored(&sim).len(), 100);
    for receipt in receipts {
        assert!(
            futures::FutureExt::now_or_never(receipt).unwrap().is_ok(),
            "the outcome is there"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_delivers_what_it_can_and_reports_it() {
    let sim = sim(2);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let mut receipts = Vec::new();
    for n in 0..100 {
        receipts.push(producer.put(record(n)).await.unwrap());
    }
    let report = producer.shutdown(HALF_MINUTE).await;
    assert_eq!(
        (report.end, report.delivered, report.returned.len()),
        (ShutdownEnd::Completed, 100, 0)
    );
    assert!(join_all(receipts).await.iter().all(Result::is_ok));
    let refused = producer.put(record(100)).await.unwrap_err();
    assert_eq!(refused.kind(), &PutErrorKind::ShutDown);
    assert_eq!(refused.into_record(), record(100));
    assert!(producer.flush().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn shutdown_in_an_outage_gives_every_record_back_by_the_deadline() {
    let sim = sim(2);
    let producer = producer(&sim).build().unwrap();
    put_all(&producer, 0..10).await;
    sim.faults(|call| {
        if call.service == Service::Kinesis {
            Fault::RequestHangs
        } else {
            Fault::None
        }
    });
    let explicit = Record::new("key", "explicit").with_explicit_hash_key("42".parse().unwrap());
    let mut put = vec![explicit];
    put.extend((10..200).map(record));
    let mut receipts = Vec::new();
    for record in put.clone() {
        receipts.push(producer.put(record).await.unwrap());
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let before = sim.elapsed();
    let report = producer.shutdown(Duration::from_secs(5)).await;
    assert!(sim.elapsed() - before <= Duration::from_millis(5_001));
    assert_eq!((report.end, report.delivered), (ShutdownEnd::DeadlinePassed, 0));
    assert_eq!(report.returned.len(), put.len());
    for (outcome, record) in join_all(receipts).await.into_iter().zip(put) {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), &PutErrorKind::ShutDown);
        assert!(error.may_have_been_stored(), "a request was under way");
        assert_eq!(error.into_record(), record, "as it was put");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_still_delivers() {
    let sim = sim(2);
    let producer = producer(&sim)
        .record_max_buffered_time(Duration::from_secs(3_600))
        .build()
        .unwrap();
    let receipt = producer.clone().put(record(0)).await.unwrap();
    drop(producer);
    assert!(receipt.await.is_ok());
}

#[test]
fn a_runtime_that_ends_fails_the_receipts_with_their_records() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let (_producer, receipt) = first.block_on(async {
        let producer = producer(&sim(2))
            .record_max_buffered_time(Duration::from_secs(60))
            .build()
            .unwrap();
        let receipt = producer.put(record(3)).await.unwrap();
        (producer, receipt)
    });
    drop(first);
    let error = runtime().block_on(receipt).unwrap_err();
    assert_eq!(error.kind(), &PutErrorKind::TaskEnded);
    assert_eq!(error.record(), &record(3));
}
