//! Every option of the KCL: its key, its default, what it sets, and what is wrong with a file.

mod faults;

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::lease::table_options::{Protection, Recovery};
use crate::metrics::{MetricsGranularity, MetricsLevel};
use crate::stream::StartingPosition;

fn parse(text: &str) -> Result<KclProperties, PropertiesError> {
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

/// A line of a file, and whether the configuration is as it asks for.
type Effect = (&'static str, fn(&Config) -> bool);

const EFFECTS: [Effect; 20] = [
    ("failoverTimeMillis = 20000", |config| {
        config.failover_time == Duration::from_secs(20) && config.assignment_interval() == Duration::from_secs(40)
    }),
    ("leaseAssignmentIntervalMillis = 3000", |config| {
        config.assignment_interval() == Duration::from_secs(3)
    }),
    ("maxLeasesForWorker = 7", |config| config.max_leases == 7),
    ("initialPositionInStream = TRIM_HORIZON", |config| {
        config.start_at == StartingPosition::TrimHorizon
    }),
    ("initialPositionInStream = LateSt", |config| {
        config.start_at == StartingPosition::Latest
    }),
    ("initialPositionInStreamExtended = 1700000000", |config| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        config.start_at == StartingPosition::AtTimestamp(time)
    }),
    ("idleTimeBetweenReadsInMillis = 250", |config| {
        config.idle_time_between_reads == Duration::from_millis(250)
    }),
    ("idleTimeBetweenReadsInMillis = 1", |config| {
        config.idle_time_between_reads == Duration::from_millis(200)
    }),
    ("pollingConfig.idleTimeBetweenReadsInMillis = 300", |config| {
        config.idle_time_between_reads == Duration::from_millis(300)
    }),
    ("maxRecords = 100", |config| config.max_records == 100),
    ("pollingConfig.maxRecords = 70", |config| config.max_records == 70),
    ("parentShardPollIntervalMillis = 500", |config| {
        config.parent_shard_poll_interval == Duration::from_millis(500)
    }),
    ("metricsLevel = summary", |config| {
        config.metrics.level == MetricsLevel::Summary
    }),
    ("metricsLevel = NONE", |config| {
        config.metrics.level == MetricsLevel::None
    }),
    ("metricsEnabledDimensions = Operation", |config| {
        config.metrics.granularity == MetricsGranularity::Application
    }),
    ("metricsEnabledDimensions = Operation, WorkerIdentifier", |config| {
        config.metrics.granularity == MetricsGranularity::Worker
    }),
    ("metricsEnabledDimensions = ShardId,WorkerIdentifier", |config| {
        config.metrics.granularity == MetricsGranularity::Shard
    }),
    ("leaseTablePitrEnabled = true", |config| {
        config.table.recovery == Recovery::On
    }),
    ("leaseTableDeletionProtectionEnabled = True", |config| {
        config.table.protection == Protection::On
    }),
    ("timeoutInSeconds = 90", |config| {
        config.handler_timeout == Some(Duration::from_secs(90))
    }),
];

#[test]
fn an_option_that_both_have_is_set_and_stays_valid() {
    for (text, is_set) in EFFECTS {
        let config = loaded(text);
        assert!(is_set(&config), "{text}");
        assert_eq!(config.out_of_range(), []);
        for setting in parse(text).unwrap().settings() {
            assert!(
                matches!(
                    setting.disposition,
                    Disposition::Applied { .. } | Disposition::Raised { .. }
                ),
                "{text}"
            );
        }
    }
}

#[test]
fn what_the_file_leaves_out_has_the_default_of_the_kcl_and_not_ours() {
    let mut config = Config::default();
    for (text, _) in EFFECTS {
        parse(text).unwrap().apply(&mut config);
    }
    // The KCL has no such time, so nothing sets it back.
    config.handler_timeout = None;
    parse("").unwrap().apply(&mut config);
    assert_eq!(
        (config.start_at, config.start_is_set),
        (StartingPosition::Latest, false)
    );
    assert_eq!(config.idle_time_between_reads, Duration::from_millis(1_500));
    assert_eq!(config.assignment_interval(), Duration::from_secs(20));
    assert_eq!(config.parent_shard_poll_interval, Duration::from_secs(10));
    assert_eq!(config.max_leases, 2_147_483_647);
    assert_eq!(config.metrics.granularity, MetricsGranularity::Shard);
    let ours = Config::default();
    let same = Config {
        start_at: ours.start_at,
        idle_time_between_reads: ours.idle_time_between_reads,
        lease_assignment_interval: ours.lease_assignment_interval,
        parent_shard_poll_interval: ours.parent_shard_poll_interval,
        max_leases: ours.max_leases,
        metrics: ours.metrics,
        ..config
    };
    assert_eq!(format!("{same:?}"), format!("{ours:?}"), "all else is the same");
}

#[test]
fn a_number_that_is_zero_counts_as_left_out() {
    let text = "failoverTimeMillis = 0\nleaseAssignmentIntervalMillis = 0\nmaxLeasesForWorker = 0\nmaxRecords = 0\n\
                idleTimeBetweenReadsInMillis = 0\nparentShardPollIntervalMillis = 0";
    assert_eq!(format!("{:?}", loaded(text)), format!("{:?}", loaded("")));
    for setting in parse(text).unwrap().settings() {
        assert!(
            matches!(setting.disposition, Disposition::Applied { .. }),
            "{setting:?}"
        );
    }
}

#[test]
fn what_is_not_applied_is_reported_with_its_line_and_its_reason() {
    let text = "executableName = app.py\nregionName = eu-north-1\n\nstreamName = orders\nmaxRecords = 5\n\
                idleTimeBetweenReadsInMillis = 5\ntableName = leases";
    let properties = parse(text).unwrap();
    let settings = properties.settings().into_iter();
    let report: Vec<_> = settings
        .map(|setting| (setting.line, setting.key, setting.disposition))
        .collect();
    let [executable, region, stream, records, idle, table] = report.as_slice() else {
        panic!("{report:?}");
    };
    assert!(
        matches!(executable, (1, "executableName", Disposition::Ignored { reason }) if reason.contains("child process"))
    );
    assert_eq!(
        [*region, *stream, *records, *idle, *table],
        [
            (2, "regionName", Disposition::SdkConfiguration { what: "the region" }),
            (4, "streamName", Disposition::Compared { argument: "stream" }),
            (5, "maxRecords", Disposition::Applied { option: "max_records" }),
            (
                6,
                "idleTimeBetweenReadsInMillis",
                Disposition::Raised {
                    option: "idle_time_between_reads",
                    value: 200
                }
            ),
            (7, "tableName", Disposition::Applied { option: "table_name" }),
        ]
    );
    assert_eq!(properties.value("regionName"), Some("eu-north-1"));
    assert_eq!(properties.value("workerId"), None);
}

#[test]
fn credentials_are_taken_in_any_case_and_parts_of_clients_belong_to_the_sdk() {
    for key in [
        "AwsCredentialsProvider",
        "AWSCredentialsProvider",
        "awsCredentialsProviderDynamoDB",
        "kinesisClient.region",
        "dynamoDbClient.endpointOverride",
        "kinesisCredentialsProvider.roleArn",
    ] {
        let properties = parse(&format!("{key} = x")).unwrap();
        let disposition = properties.settings()[0].disposition;
        assert!(matches!(disposition, Disposition::SdkConfiguration { .. }), "{key}");
    }
    assert!(parse("kinesisClientele = x").is_err());
    assert!(parse("kinesisClient. = x").is_err());
}

#[test]
fn the_files_of_the_kcl_for_python_and_node_are_read() {
    let text = "# of the samples\n\
                executableName = sample_kclpy_app.py\n\
                streamName = orders\n\
                applicationName = billing\n\
                AwsCredentialsProvider = DefaultCredentialsProvider\n\
                processingLanguage = python/3.12\n\
                initialPositionInStream = TRIM_HORIZON\n\
                regionName = us-east-1\n\
                failoverTimeMillis = 10000\n\
                workerId = w-1\n\
                shardSyncIntervalMillis = 60000\n\
                maxRecords = 10000\n\
                idleTimeBetweenReadsInMillis = 1000\n\
                callProcessRecordsEvenForEmptyRecordList = false\n\
                parentShardPollIntervalMillis = 10000\n\
                cleanupLeasesUponShardCompletion = true\n\
                taskBackoffTimeMillis = 500\n\
                metricsBufferTimeMillis = 10000\n\
                metricsMaxQueueSize = 10000\n\
                validateSequenceNumberBeforeCheckpointing = true\n\
                maxActiveThreads = -1\n";
    assert_eq!(parse(text).unwrap().settings().len(), 20);
}

#[test]
fn each_default_of_the_kcl_is_a_value_that_its_option_takes() {
    let mut keys = std::collections::BTreeSet::new();
    for option in OPTIONS {
        assert!(keys.insert(option.key), "{} is there twice", option.key);
        if !option.default.is_empty() {
            parse(&format!("{} = {}", option.key, option.default)).unwrap();
        }
    }
}

#[test]
fn the_migration_page_says_of_every_option_what_becomes_of_it() {
    let page = include_str!("../../MIGRATING.md");
    let (_, page) = page.split_once("\n## Options\n").unwrap();
    for option in OPTIONS {
        let key = format!("`{}`", option.key);
        let mut rows = page.lines().filter(|line| line.starts_with("| `"));
        let row = rows.find(|line| line.contains(&key));
        let row = row.unwrap_or_else(|| panic!("{key} is missing"));
        let said = match option.fate.disposition(Some(u64::MAX)) {
            Disposition::Applied { option } | Disposition::Raised { option, .. } => {
                row.contains(&format!("`{option}`"))
            }
            Disposition::Compared { argument } => row.contains(&format!("`{argument}`")),
            Disposition::SdkConfiguration { .. } => row.contains("the SDK's"),
            Disposition::Ignored { .. } => !row.contains("the SDK's"),
            Disposition::Unknown { .. } => false,
        };
        assert!(said && row.contains(option.default), "{row}");
    }
}

fn any_key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(OPTIONS.iter().map(|option| option.key).collect::<Vec<_>>())
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (0i64..100_000).prop_map(|number| number.to_string()),
        "true|FALSE|LATEST|trim_horizon|POLLING|FANOUT|DEFAULT|SUMMARY|0\\.5|NaN",
        "\\PC{0,12}".prop_filter("of one line", |value| !value.contains(['\n', '\r', '\\'])),
    ]
}

proptest! {
    #[test]
    fn every_text_is_read_or_refused_with_the_lines_of_its_faults(text in "(?s).{0,200}") {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
        if let Err(error) = parse(&text) {
            for fault in error.faults() {
                prop_assert!((1..=lines).contains(&fault.line()), "{error}");
            }
        }
    }

    #[test]
    fn a_file_that_is_taken_makes_a_valid_configuration(
        settings in proptest::collection::btree_map(any_key(), any_value(), 0..6),
    ) {
        let text: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        match parse(&text) {
            Ok(properties) => {
                prop_assert_eq!(properties.settings().len(), settings.len());
                let mut config = Config::default();
                properties.apply(&mut config);
                prop_assert!(config.out_of_range().is_empty(), "{}", text);
            }
            Err(error) => prop_assert!(error.faults().len() <= settings.len(), "{}", error),
        }
    }

    #[test]
    fn each_bad_line_is_told_beside_the_others(good in any_key(), bad in 1usize..6) {
        let text: String = (0..bad).map(|n| format!("noSuchKey{n} = 1\n")).collect();
        let default = options::find(good).unwrap().default;
        let text = if default.is_empty() { text } else { format!("{text}{good} = {default}\n") };
        prop_assert_eq!(parse(&text).unwrap_err().faults().len(), bad);
    }

    #[test]
    fn a_time_in_the_range_is_set_to_the_millisecond(time in 100u64..86_400_000) {
        let config = loaded(&format!("failoverTimeMillis = {time}"));
        prop_assert_eq!(config.failover_time, Duration::from_millis(time));
    }
}
