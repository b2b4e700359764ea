//! What is refused: values out of range, and options that exclude each other.

use super::*;

fn broken(config: &Config) -> Vec<BuildErrorKind> {
    Rules::new(config, None).broken()
}

/// The first rule that is broken, in words.
fn refusal(config: &Config) -> String {
    broken(config)[0].to_string()
}

/// The one rule that is broken by a file and what was set over it, in words.
fn refusal_of(text: &str, set: impl FnOnce(&mut Config)) -> String {
    let properties: KplProperties = text.parse().unwrap();
    let mut config = Config::default();
    properties.apply(&mut config);
    set(&mut config);
    let broken = Rules::new(&config, Some(&properties)).broken();
    assert_eq!(broken.len(), 1, "{broken:?}");
    broken[0].to_string()
}

#[test]
fn options_that_exclude_each_other_are_refused_with_names_values_and_origins() {
    let large = Config {
        aggregation_max_size: 1 << 20,
        ..Config::default()
    };
    assert_eq!(
        refusal(&large),
        "aggregation_max_size (1048576) must be smaller than max_user_record_size (1048576, the default)"
    );
    let narrow = Config {
        max_bytes_in_flight: 5_000_000,
        ..Config::default()
    };
    assert_eq!(
        refusal(&narrow),
        "collection_max_size (5242880, the default) must not be larger than max_bytes_in_flight (5000000)"
    );
    let crossed = Config {
        retry_delays: (Duration::from_millis(8), Duration::from_millis(7)),
        ..Config::default()
    };
    assert_eq!(
        refusal(&crossed),
        "the first of retry_delays (8ms) must not be larger than the longest of retry_delays (7ms)"
    );
}

#[test]
fn a_value_that_comes_from_a_file_is_refused_with_its_key_and_line() {
    assert_eq!(
        refusal_of("\nRecordMaxBufferedTime = 40000", |_| ()),
        "record_max_buffered_time (40s, RecordMaxBufferedTime in line 2) must be smaller than \
         record_ttl (30s, the KPL's default)"
    );
    assert_eq!(
        refusal_of("RecordMaxBufferedTime = 40000\nRecordTtl = 30000", |_| ()),
        "record_max_buffered_time (40s, RecordMaxBufferedTime in line 1) must be smaller than \
         record_ttl (30s, RecordTtl in line 2)"
    );
    assert_eq!(
        refusal_of("RecordMaxBufferedTime = 90\nRecordTtl = 1000", |config| {
            config.record_max_buffered_time = Duration::from_secs(2);
        }),
        "record_max_buffered_time (2s) must be smaller than record_ttl (1s, RecordTtl in line 2)",
        "what is set over the file is not the file's"
    );
    assert_eq!(
        refusal_of("AggregationMaxSize = 1048576", |_| ()),
        "aggregation_max_size (1048576, AggregationMaxSize in line 1) must be smaller than \
         max_user_record_size (1048576, the default)"
    );
}

#[test]
fn every_rule_that_is_broken_is_told_at_once() {
    let config = Config {
        collection_max_count: 501,
        request_timeout: Duration::ZERO,
        shard_map_refresh_interval: Duration::ZERO,
        aggregation_max_size: 1 << 20,
        collection_max_size: 100_000,
        ..Config::default()
    };
    assert_eq!(broken(&config).len(), 5, "{:?}", broken(&config));
}

#[test]
fn an_aggregate_that_no_request_could_carry_is_refused_with_both_names() {
    let config = Config {
        aggregation_max_size: 1 << 20,
        collection_max_size: 100_000,
        ..Config::default()
    };
    let text = refusal(&config);
    assert!(
        text.contains("aggregation_max_size") && text.contains("collection_max_size"),
        "{text}"
    );
}

#[test]
fn a_lower_limit_of_user_records_does_not_limit_aggregates() {
    let config = Config {
        max_user_record_size: Some(100),
        ..Config::default()
    };
    assert_eq!(broken(&config), []);
}

#[test]
fn a_record_that_would_expire_while_it_is_buffered_is_refused_with_both_names() {
    let config = |buffered, ttl| Config {
        record_max_buffered_time: Duration::from_millis(buffered),
        record_ttl: Some(ttl),
        ..Config::default()
    };
    for (buffered, ttl) in [(200, 100), (100, 100)] {
        let text = refusal(&config(buffered, Duration::from_millis(ttl)));
        assert!(
            text.contains("record_max_buffered_time") && text.contains("record_ttl"),
            "{text}"
        );
    }
    assert_eq!(broken(&config(100, Duration::from_millis(101))), []);
    assert_eq!(broken(&config(100, Duration::MAX)), []);
    let text = refusal(&config(10, Duration::from_millis(99)));
    assert!(text.contains("record_ttl"), "{text}");
}

#[test]
fn a_timeout_out_of_the_range_of_the_kpl_is_refused_and_so_are_delays_that_become_shorter() {
    let (ms, minutes) = (Duration::from_millis, |minutes: u64| Duration::from_secs(60 * minutes));
    let timeout = |request_timeout| Config {
        request_timeout,
        ..Config::default()
    };
    let delays = |first, longest| Config {
        retry_delays: (first, longest),
        ..Config::default()
    };
    for valid in [timeout(ms(100)), timeout(minutes(10)), delays(ms(7), ms(7))] {
        assert_eq!(broken(&valid), []);
    }
    for (refused, option) in [
        (timeout(ms(99)), "request_timeout"),
        (timeout(minutes(11)), "request_timeout"),
        (delays(ms(0), ms(7)), "retry_delays"),
        (delays(ms(8), ms(7)), "retry_delays"),
        (delays(ms(1), minutes(11)), "retry_delays"),
    ] {
        let text = refusal(&refused);
        assert!(text.contains(option), "{text}");
    }
}

#[test]
fn order_is_refused_where_the_service_is_said_to_distribute_records() {
    let config = |distribution| Config {
        ordering: Ordering::PerKey,
        record_distribution_default: distribution,
        ..Config::default()
    };
    let distribution = RecordDistribution::Auto;
    assert_eq!(
        broken(&config(distribution)),
        [BuildErrorKind::OrderingImpossible { distribution }]
    );
    assert_eq!(broken(&config(RecordDistribution::Unknown)), []);
    assert_eq!(broken(&config(RecordDistribution::UserPartitionKey)), []);
}
