//! How large a record may be: by what the stream takes, once that is known, and by what was configured.

use testkit::kinesis::request::Request;
use testkit::sim::Sim;

use super::{HOUR, SECOND, kind, producer, sim};
use crate::budget::Budget;
use crate::error::PutErrorKind;
use crate::producer::builder::ProducerBuilder;
use crate::record::Record;

/// Nothing else would ask for the description.
#[tokio::test(start_paused = true)]
async fn where_all_records_are_large_the_first_is_refused_and_the_stream_described() {
    let sim = sim();
    raise_record_limit(&sim).await;
    let producer = producer(&sim).budget(Budget::new(200 << 20, 1_000)).build().unwrap();
    let large = || Record::new("k", vec![0; 3 << 20]);
    // The producer's task is asleep by then.
    sim.advance(SECOND).await;
    assert!(matches!(
        kind(producer.put(large()).await).await,
        Some(PutErrorKind::RecordTooLarge { .. })
    ));
    sim.advance(SECOND).await;
    assert_eq!(kind(producer.put(large()).await).await, None);
    let described = || {
        sim.calls()
            .iter()
            .filter(|call| call.operation == "DescribeStreamSummary")
            .count()
    };
    let giant = Record::new("k", vec![0; 11 << 20]);
    for _ in 0..20 {
        assert!(producer.put(giant.clone()).await.is_err());
        sim.advance(SECOND).await;
    }
    assert_eq!(described(), 1, "no stream takes that");
}

#[tokio::test(start_paused = true)]
async fn a_record_may_be_as_large_as_its_stream_takes_once_that_is_known() {
    const MIB: usize = 1024 * 1024;
    let large = || Record::new("k", vec![0; 3 * MIB]);
    for (raised, option, limit) in [
        (true, None, None),
        (true, Some(2 * MIB), Some(2 * MIB)),
        (false, None, Some(MIB)),
        (false, Some(10 * MIB), Some(MIB)),
    ] {
        let sim = sim();
        if raised {
            raise_record_limit(&sim).await;
        }
        let builder = producer(&sim).budget(Budget::new(200 << 20, 1_000));
        let builder = option.into_iter().fold(builder, ProducerBuilder::max_user_record_size);
        let producer = builder.build().unwrap();
        producer.put(Record::new("k", "first")).await.unwrap().await.unwrap();
        let refused = kind(producer.put(large()).await).await;
        let expected = limit.map(|limit| PutErrorKind::RecordTooLarge {
            bytes: 3 * MIB + 1,
            limit,
        });
        assert_eq!(refused, expected, "raised: {raised}, option: {option:?}");
    }
}

/// Makes a stream that takes records of 10 MiB.
async fn raise_record_limit(sim: &Sim) {
    let body = br#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","MaxRecordSizeInKiB":10240}"#;
    let raise = Request::decode("UpdateMaxRecordSize", body).unwrap();
    sim.kinesis(|kinesis| kinesis.handle(raise, sim.now())).unwrap();
    sim.advance(HOUR).await;
}
