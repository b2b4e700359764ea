//! What is wrong with a file is told at once, with lines, and no value of it is shown by accident.

use super::*;

#[test]
fn a_value_outside_its_range_is_refused_with_key_line_and_range() {
    for (key, value, min, max) in [
        ("failoverTimeMillis", 99, 100, 86_400_000),
        ("leaseAssignmentIntervalMillis", 9, 10, 86_400_000),
        ("maxLeasesForWorker", -1, 1, 2_147_483_647),
        ("idleTimeBetweenReadsInMillis", 86_400_001, 1, 86_400_000),
        ("maxRecords", 10_001, 1, 10_000),
        ("parentShardPollIntervalMillis", 9, 10, 86_400_000),
        ("timeoutInSeconds", 0, 1, 86_400),
        ("initialPositionInStreamExtended", -1, 0, 253_402_300_799),
    ] {
        let error = fault(&format!("\n{key} = {value}"));
        assert_eq!(error.kind(), &FaultKind::OutOfRange { value, min, max });
        assert_eq!(
            error.to_string(),
            format!("line 2, {key}: {value} is not in {min}..={max}")
        );
    }
}

#[test]
fn every_fault_of_a_file_is_told_at_once_one_line_each() {
    let text = "maxRecords = many\nnoSuch = 1\nretrievalMode = FANOUT\ninitialPositionInStream = AT_TIMESTAMP\n\
                streamname = orders\nisGracefulLeaseHandoffEnabled = yes\nregionName = \\u12\nworkerMetricsEMAAlpha = half\n\
                retrievalMode = PULL\nmetricsEnabledDimensions = Operation, Host";
    assert_eq!(
        parse(text).unwrap_err().to_string(),
        "line 1, maxRecords: \"many\" is not a whole number\n\
         line 2, noSuch: the KCL has no such option\n\
         line 3, retrievalMode: FANOUT is not possible here: enhanced fan-out is not there yet; retrievalMode = POLLING reads \
         the same records, within the 2 MiB/s of a shard that all polling applications share\n\
         line 4, initialPositionInStream: \"AT_TIMESTAMP\" is not LATEST or TRIM_HORIZON; a time is in \
         initialPositionInStreamExtended, in seconds since 1970\n\
         line 5, streamname: the KCL has no such option; did you mean `streamName`?\n\
         line 6, isGracefulLeaseHandoffEnabled: \"yes\" is not true or false\n\
         line 7, regionName: a \\u escape is malformed\n\
         line 8, workerMetricsEMAAlpha: \"half\" is not a number\n\
         line 9, retrievalMode: \"PULL\" is not DEFAULT, POLLING or FANOUT\n\
         line 10, metricsEnabledDimensions: \"Operation, Host\" is not ALL, or some of Operation, ShardId and WorkerIdentifier \
         with commas between"
    );
}

#[test]
fn of_two_keys_that_say_where_to_begin_the_second_one_is_a_fault() {
    let first = "initialPositionInStreamExtended = 1700000000\n";
    let error = fault(&format!("{first}initialPositionInStream = LATEST"));
    let words = "line 2, initialPositionInStream: initialPositionInStreamExtended is in the file too: keep one of them";
    assert_eq!(error.to_string(), words);
}

#[test]
fn unknown_keys_can_be_let_pass_and_are_still_reported_while_other_faults_are_refused() {
    let text = "maxPendingProcessRecordsInput = 3\nmaxrecords = 7\nmaxRecords = 80";
    let properties = KclProperties::parse_ignoring_unknown_keys(text).unwrap();
    let settings = properties.settings().into_iter();
    let report: Vec<_> = settings.map(|setting| (setting.line, setting.disposition)).collect();
    let meant = Some("maxRecords");
    assert_eq!(
        report,
        [
            (1, Disposition::Unknown { meant: None }),
            (2, Disposition::Unknown { meant }),
            (3, Disposition::Applied { option: "max_records" }),
        ]
    );
    let error = KclProperties::parse_ignoring_unknown_keys("noSuch = 1\nmaxRecords = x").unwrap_err();
    assert_eq!(error.faults().len(), 1, "{error}");
}

#[test]
fn of_a_key_that_is_there_twice_the_last_value_counts() {
    let properties = parse("maxRecords = 80\npollingConfig.maxRecords = 90").unwrap();
    assert_eq!(properties.value("maxRecords"), Some("90"));
    assert_eq!(properties.settings()[0].line, 2);
}

#[test]
fn debug_output_shows_no_value() {
    let shown = format!("{:?}", parse("AwsCredentialsProvider = Some|secret").unwrap());
    assert!(
        shown.contains("AwsCredentialsProvider") && !shown.contains("secret"),
        "{shown}"
    );
}
