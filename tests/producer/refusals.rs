//! Records that cannot be stored come back with the reason: their stream is missing, or they are bad themselves.

use std::time::Duration;

use kpl::{Producer, PutErrorKind, Record};
use testkit::sim::Sim;

use super::{HALF_MINUTE, STREAM, producer, record, sim};

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_fails_at_once_and_names_it() {
    let sim = Sim::new(7);
    let producer = Producer::builder("nowhere")
        .aws(&sim.sdk_config())
        .seed(7)
        .build()
        .unwrap();
    let error = producer.put(record(0)).await.unwrap().await.unwrap_err();
    assert_eq!(error.kind(), &PutErrorKind::StreamNotFound);
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(sim.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_creation_is_waited_for_within_the_grace() {
    let sim = Sim::new(7);
    let producer = producer(&sim).stream_not_found_grace(HALF_MINUTE).build().unwrap();
    let receipt = producer.put(record(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    sim.create_stream(STREAM, 2).unwrap();
    assert!(receipt.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn bad_records_are_refused_with_their_reason_and_given_back() {
    let sim = sim(1);
    let producer = producer(&sim).build().unwrap();
    let long = producer.put(Record::new("k".repeat(257), "x")).await.unwrap_err();
    assert_eq!(long.kind(), &PutErrorKind::InvalidPartitionKey { chars: 257 });
    let large = producer.put(Record::new("k", vec![0; 1 << 20])).await.unwrap_err();
    assert_eq!(
        large.kind(),
        &PutErrorKind::RecordTooLarge {
            bytes: (1 << 20) + 1,
            limit: 1 << 20
        }
    );
    assert_eq!(large.into_record().data().len(), 1 << 20);
    assert!(
        "340282366920938463463374607431768211456"
            .parse::<kpl::HashKey>()
            .is_err(),
        "2^128 is no hash key"
    );
}
