//! What a file sets, what it leaves to others, and what is reported of each setting.

use std::time::Duration;

use super::*;
use crate::budget::Budget;

/// A line of a file, and whether the configuration is as it asks for.
type Effect = (&'static str, fn(&Config) -> bool);

const EFFECTS: [Effect; 25] = [
    ("AggregationEnabled = false", |config| config.max_count() == 1),
    ("AggregationEnabled = true", |config| {
        config.max_count() == 4_294_967_295
    }),
    ("AggregationMaxCount = 7", |config| config.aggregation_max_count == 7),
    ("AggregationEnabled=false\nAggregationMaxCount=7", |config| {
        config.max_count() == 1
    }),
    ("AggregationMaxSize = 1000", |config| {
        config.aggregation_max_size == 1_000
    }),
    ("CollectionMaxCount = 7", |config| config.collection_max_count == 7),
    ("CollectionMaxSize = 60000", |config| {
        config.collection_max_size == 60_000
    }),
    ("CollectionMaxSize = 9223372036854775807", |config| {
        config.collection_max_size == 10_485_760
    }),
    ("RecordMaxBufferedTime = 7", |config| {
        config.record_max_buffered_time == Duration::from_millis(7)
    }),
    ("RecordMaxBufferedTime = 0", |config| {
        config.record_max_buffered_time == Duration::ZERO
    }),
    ("MaxUserRecordSize = 10485760", |config| {
        config.max_user_record_size == Some(10_485_760)
    }),
    ("RateLimit = 99", |config| config.rate_limit_percent == 99),
    ("RateLimit = 9223372036854775807", |config| {
        config.rate_limit_percent == u32::MAX
    }),
    ("RequestTimeout = 700", |config| {
        config.request_timeout == Duration::from_millis(700)
    }),
    ("MaxConnections = 7", |config| config.max_connections == 7),
    ("RecordTtl = 9000", |config| {
        config.record_ttl == Some(Duration::from_secs(9))
    }),
    ("FailIfThrottled = true", |config| {
        config.on_throttling == OnThrottling::Fail
    }),
    ("MetricsLevel = none", |config| {
        config.metrics.level == MetricsLevel::None
    }),
    ("MetricsLevel = summary", |config| {
        config.metrics.level == MetricsLevel::Summary
    }),
    ("MetricsGranularity = global", |config| {
        config.metrics.granularity == MetricsGranularity::Global
    }),
    ("MetricsGranularity = stream", |config| {
        config.metrics.granularity == MetricsGranularity::Stream
    }),
    ("RecordDistributionStrategyDefault = UNSET", |config| {
        config.record_distribution_default == RecordDistribution::Unknown
    }),
    ("RecordDistributionStrategyDefault = AUTO", |config| {
        config.record_distribution_default == RecordDistribution::Auto
    }),
    ("RecordDistributionStrategyDefault = USER_PARTITION_KEY", |config| {
        config.record_distribution_default == RecordDistribution::UserPartitionKey
    }),
    ("DescribeStreamSummaryIntervalMs = 7000", |config| {
        config.describe_stream_summary_interval == Duration::from_secs(7)
    }),
];

#[test]
fn an_option_that_both_have_is_set_and_stays_valid() {
    for (text, is_set) in EFFECTS {
        let config = loaded(text);
        assert!(is_set(&config), "{text}");
        assert_eq!(Rules::new(&config, None).broken(), [], "{text}");
        for setting in parse(text).unwrap().settings() {
            let is_applied = matches!(
                setting.disposition,
                Disposition::Applied { .. } | Disposition::Capped { .. }
            );
            assert!(is_applied, "{text}");
        }
    }
}

#[test]
fn what_the_file_leaves_out_has_the_default_of_the_kpl_which_is_ours_too_but_for_three_options() {
    let mut config = Config::default();
    for (text, _) in EFFECTS {
        parse(text).unwrap().apply(&mut config);
    }
    assert_ne!(format!("{config:?}"), format!("{:?}", Config::default()));
    parse("").unwrap().apply(&mut config);
    assert_eq!(config.record_ttl.take(), Some(Duration::from_secs(30)));
    assert_eq!(config.max_user_record_size.take(), Some(1 << 20));
    let granularity = std::mem::take(&mut config.metrics.granularity);
    assert_eq!(granularity, MetricsGranularity::Shard);
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
}

#[test]
fn what_is_not_applied_is_reported_with_its_line_and_its_reason() {
    let text = "NativeExecutable = kpl\nRegion = eu-central-1\n\nRecordMaxBufferedTime = 5\nMetricsNamespace = Mine";
    let properties = parse(text).unwrap();
    let report: Vec<_> = properties
        .settings()
        .into_iter()
        .map(|setting| (setting.line, setting.key))
        .collect();
    assert_eq!(
        report,
        [
            (1, "NativeExecutable"),
            (2, "Region"),
            (4, "RecordMaxBufferedTime"),
            (5, "MetricsNamespace")
        ]
    );
    let dispositions: Vec<_> = properties
        .settings()
        .into_iter()
        .map(|setting| setting.disposition)
        .collect();
    assert!(matches!(
        dispositions[..],
        [
            Disposition::Ignored { .. },
            Disposition::SdkConfiguration { what: "the region" },
            Disposition::Applied {
                option: "record_max_buffered_time"
            },
            Disposition::Ignored { reason }
        ] if reason.contains("exporter")
    ));
    assert_eq!(properties.value("Region"), Some("eu-central-1"));
    assert_eq!(properties.value("LogLevel"), None);
}

#[test]
fn what_is_more_than_there_can_be_is_reported_with_what_is_in_force() {
    for (text, option, value) in [
        ("CollectionMaxSize = 20971520", "collection_max_size", 10_485_760),
        ("RateLimit = 9223372036854775807", "rate_limit", 4_294_967_295),
    ] {
        let disposition = parse(text).unwrap().settings()[0].disposition;
        assert_eq!(disposition, Disposition::Capped { option, value });
    }
    for (text, option) in [
        ("CollectionMaxSize = 10485760", "collection_max_size"),
        ("RateLimit = 4294967295", "rate_limit"),
    ] {
        let disposition = parse(text).unwrap().settings()[0].disposition;
        assert_eq!(disposition, Disposition::Applied { option });
    }
}

#[test]
fn the_builder_takes_the_file_first_and_its_own_options_over_it() {
    let properties = parse("AggregationMaxSize = 2000000\nRateLimit = 80").unwrap();
    let builder = Producer::builder("orders")
        .kpl_properties(&properties)
        .budget(Budget::default());
    let contradiction = builder.clone().build().unwrap_err();
    assert!(
        matches!(contradiction.kind(), BuildErrorKind::Contradiction { .. }),
        "{contradiction}"
    );
    let overridden = builder.aggregation_max_size(51_200).build().unwrap_err();
    assert_eq!(
        overridden.kind(),
        &BuildErrorKind::NoClient,
        "the options are valid now"
    );
}

#[test]
fn the_migration_page_says_of_every_option_what_becomes_of_it() {
    let page = include_str!("../../../../MIGRATING.md");
    for option in OPTIONS {
        let key = format!("`{}`", option.key);
        let row = page.lines().find(|line| line.starts_with("| `") && line.contains(&key));
        let row = row.unwrap_or_else(|| panic!("{key} is missing"));
        let said = match option.fate.disposition(0) {
            Disposition::Applied { option } => row.contains(&format!("`{option}")),
            Disposition::SdkConfiguration { .. } => row.contains("the SDK's"),
            Disposition::Ignored { .. } => !row.contains("the SDK's"),
            Disposition::Capped { .. } | Disposition::Unknown { .. } => false,
        };
        assert!(said && row.contains(option.default), "{row}");
    }
}
