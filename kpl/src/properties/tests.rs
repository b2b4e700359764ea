//! Every option of the KPL: its key, its default, its range, and what becomes of it.

use std::time::Duration;

use super::*;
use crate::budget::Budget;
use crate::config::{OnThrottling, Rules};
use crate::error::BuildErrorKind;
use crate::metrics::{MetricsGranularity, MetricsLevel};
use crate::ordering::RecordDistribution;
use crate::producer::Producer;

const LONG: &str = "9223372036854775807";

fn parse(text: &str) -> Result<KplProperties, PropertiesError> {
    text.parse()
}

/// The one fault of a file.
fn fault(text: &str) -> Fault {
    let error = parse(text).unwrap_err();
    assert_eq!(error.faults().len(), 1, "{error}");
    error.faults()[0].clone()
}

fn loaded(text: &str) -> Config {
    let mut config = Config::default();
    parse(text).unwrap().apply(&mut config);
    config
}

/// Numbers: key, default, least, most.
const NUMBERS: [(&str, &str, &str, &str); 22] = [
    ("AggregationMaxCount", "4294967295", "1", LONG),
    ("AggregationMaxSize", "51200", "64", "10485760"),
    ("CollectionMaxCount", "500", "1", "500"),
    ("CollectionMaxSize", "5242880", "52224", LONG),
    ("RecordMaxBufferedTime", "100", "0", LONG),
    ("RecordTtl", "30000", "100", LONG),
    ("RateLimit", "150", "1", LONG),
    ("MaxUserRecordSize", "1048576", "64", "10485760"),
    ("MaxConnections", "24", "1", "256"),
    ("MinConnections", "1", "1", "16"),
    ("ConnectTimeout", "6000", "100", "300000"),
    ("RequestTimeout", "6000", "100", "600000"),
    ("KinesisPort", "443", "1", "65535"),
    ("CloudwatchPort", "443", "1", "65535"),
    ("StsPort", "443", "1", "65535"),
    ("ProxyPort", "443", "1", "65535"),
    ("MetricsUploadDelay", "60000", "1", "60000"),
    ("ThreadPoolSize", "0", "0", "2147483647"),
    ("CredentialsRefreshDelay", "5000", "1", "300000"),
    ("UserRecordTimeoutInMillis", "0", "0", LONG),
    ("DaemonHealthCheckTimeoutMs", "30000", "5000", LONG),
    ("DescribeStreamSummaryIntervalMs", "300000", "1", LONG),
];

#[test]
fn a_number_is_taken_from_its_least_to_its_most_and_refused_with_key_line_and_range_beyond() {
    for (key, default, min, max) in NUMBERS {
        assert_eq!(options::find(key).unwrap().default, default, "{key}");
        for value in [min, max, default] {
            assert_eq!(parse(&format!("{key} = {value}")).unwrap().value(key), Some(value));
        }
        let (min, max): (i64, i64) = (min.parse().unwrap(), max.parse().unwrap());
        for value in [Some(min - 1), max.checked_add(1)].into_iter().flatten() {
            let error = fault(&format!("\n{key} = {value}"));
            assert_eq!((error.line(), error.key()), (2, key));
            assert_eq!(error.kind(), &FaultKind::OutOfRange { value, min, max });
            assert_eq!(
                error.to_string(),
                format!("line 2, {key}: {value} is not in {min}..={max}")
            );
        }
        for value in ["", "1.5", "1048576;", "ten", "9223372036854775808"] {
            let error = fault(&format!("{key} = {value}"));
            assert!(matches!(error.kind(), FaultKind::Malformed { .. }), "{error}");
        }
    }
}

/// Booleans: key, default. A child process is told nothing of core dumps unless this is set.
const BOOLEANS: [(&str, &str); 7] = [
    ("AggregationEnabled", "true"),
    ("FailIfThrottled", "false"),
    ("VerifyCertificate", "true"),
    ("EnableCoreDumps", ""),
    ("EnableOldestFutureTracker", "true"),
    ("ReturnUserRecordOnFailure", "false"),
    ("EnableDaemonHealthCheck", "false"),
];

#[test]
fn a_boolean_is_true_or_false_in_any_case_and_nothing_else() {
    for (key, default) in BOOLEANS {
        assert_eq!(options::find(key).unwrap().default, default, "{key}");
        for value in ["true", "false", "True", "FALSE"] {
            assert!(parse(&format!("{key} = {value}")).is_ok());
        }
        for value in ["yes", "1", ""] {
            let error = fault(&format!("{key} = {value}"));
            let expected = format!("line 1, {key}: {value:?} is not true or false");
            assert_eq!(error.to_string(), expected);
        }
    }
}

/// Texts: key, default, values that are taken, values that are refused.
const TEXTS: [(&str, &str, &[&str], &[&str]); 18] = [
    (
        "Region",
        "",
        &["", "us-east-1", "us-gov-west-1", "cn-north-1"],
        &["us-east", "us-east-10", "US-east-1", "a-b-c-d-1"],
    ),
    (
        "KinesisEndpoint",
        "",
        &["", "127.0.0.1"],
        &["http://localhost", "host:1"],
    ),
    ("CloudwatchEndpoint", "", &["", "monitoring.internal"], &["a b"]),
    ("StsEndpoint", "", &["", "sts"], &["a/b"]),
    ("CaCertPath", "", &["", "/etc/ssl"], &[]),
    ("CaCertFile", "", &["", "ca.pem"], &[]),
    ("ProxyHost", "", &["", "proxy"], &[]),
    ("ProxyUserName", "", &["", "me"], &[]),
    ("ProxyPassword", "", &["", "secret"], &[]),
    (
        "MetricsLevel",
        "detailed",
        &["none", "summary", "detailed"],
        &["all", "None"],
    ),
    (
        "MetricsGranularity",
        "shard",
        &["global", "stream", "shard"],
        &["record"],
    ),
    (
        "MetricsNamespace",
        "KinesisProducerLibrary",
        &["Mine", "AWSlike/ours"],
        &["", "AWS/Kinesis"],
    ),
    ("ThreadingModel", "PER_REQUEST", &["PER_REQUEST", "POOLED"], &["pooled"]),
    (
        "LogLevel",
        "info",
        &["trace", "debug", "info", "warning", "error"],
        &["warn"],
    ),
    ("NativeExecutable", "", &["", "kinesis_producer"], &[]),
    ("TempDirectory", "", &["", "scratch"], &[]),
    ("GlueSchemaRegistryPropertiesFilePath", "", &["", "gsr.properties"], &[]),
    (
        "RecordDistributionStrategyDefault",
        "UNSET",
        &["UNSET", "AUTO", "USER_PARTITION_KEY"],
        &["auto"],
    ),
];

#[test]
fn a_text_is_held_to_the_rule_of_its_option() {
    for (key, default, right, wrong) in TEXTS {
        assert_eq!(options::find(key).unwrap().default, default, "{key}");
        for value in right {
            assert_eq!(parse(&format!("{key} = {value}")).unwrap().value(key), Some(*value));
        }
        for value in wrong {
            let error = fault(&format!("{key} = {value}"));
            assert!(matches!(error.kind(), FaultKind::Malformed { .. }), "{key}: {value}");
            assert!(error.to_string().starts_with(&format!("line 1, {key}: ")), "{error}");
        }
    }
    assert!(parse(&format!("MetricsNamespace = {}", "n".repeat(256))).is_err());
}

#[test]
fn every_option_of_the_kpl_is_in_the_table_once() {
    let mut keys: Vec<_> = OPTIONS.iter().map(|option| option.key).collect();
    keys.sort_unstable();
    let numbers = NUMBERS.iter().map(|row| row.0);
    let texts = TEXTS.iter().map(|row| row.0);
    let mut expected: Vec<_> = numbers.chain(texts).chain(BOOLEANS.iter().map(|row| row.0)).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(keys, expected);
}

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
fn an_unknown_key_is_refused_and_case_matters() {
    for (key, meant) in [
        ("Agregation", None),
        ("recordTtl", Some("RecordTtl")),
        ("record_ttl", None),
    ] {
        let error = fault(&format!("# a comment\n{key} = 1"));
        assert_eq!((error.line(), error.key()), (2, key));
        assert_eq!(error.kind(), &FaultKind::UnknownKey { meant });
    }
    assert_eq!(
        fault("aggregationenabled = true").to_string(),
        "line 1, aggregationenabled: the KPL has no such option; did you mean `AggregationEnabled`?"
    );
}

#[test]
fn every_fault_of_a_file_is_told_at_once_one_line_each() {
    let text = "RateLimit = 0\nNoSuch = 1\n\nFailIfThrottled = yes\nRegion = \\u12\nrecordttl = 7\nRecordTtl = 7000";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        "line 1, RateLimit: 0 is not in 1..=9223372036854775807\n\
         line 2, NoSuch: the KPL has no such option\n\
         line 4, FailIfThrottled: \"yes\" is not true or false\n\
         line 5, Region: a \\u escape is malformed\n\
         line 6, recordttl: the KPL has no such option; did you mean `RecordTtl`?"
    );
}

#[test]
fn unknown_keys_can_be_let_pass_and_are_still_reported_while_other_faults_are_refused() {
    let text = "# ours\nNoSuch = 1\nrecordttl = 7\nRateLimit = 80";
    let properties = KplProperties::parse_ignoring_unknown_keys(text).unwrap();
    let report: Vec<_> = properties
        .settings()
        .into_iter()
        .map(|Setting { line, key, disposition }| (line, key, disposition))
        .collect();
    assert_eq!(
        report,
        [
            (2, "NoSuch", Disposition::Unknown { meant: None }),
            (
                3,
                "recordttl",
                Disposition::Unknown {
                    meant: Some("RecordTtl")
                }
            ),
            (4, "RateLimit", Disposition::Applied { option: "rate_limit" }),
        ]
    );
    let error = KplProperties::parse_ignoring_unknown_keys("NoSuch = 1\nRateLimit = 0").unwrap_err();
    assert_eq!(error.faults().len(), 1, "{error}");
    assert_eq!(error.faults()[0].key(), "RateLimit");
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
fn of_a_key_that_is_there_twice_the_last_value_counts() {
    let properties = parse("RateLimit = 80\nRateLimit = 90").unwrap();
    assert_eq!(properties.value("RateLimit"), Some("90"));
    assert_eq!(properties.settings()[0].line, 2);
}

#[test]
fn debug_output_shows_no_value() {
    let shown = format!("{:?}", parse("ProxyPassword = secret").unwrap());
    assert!(shown.contains("ProxyPassword") && !shown.contains("secret"), "{shown}");
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
    let page = include_str!("../../MIGRATING.md");
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
