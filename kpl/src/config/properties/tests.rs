//! Every option of the KPL: its key, its default and its range.

mod applied;
mod faults;

use super::*;
use crate::config::ordering::RecordDistribution;
use crate::config::{OnThrottling, Rules};
use crate::error::BuildErrorKind;
use crate::observe::metrics::{MetricsGranularity, MetricsLevel};
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
