//! What is wrong with a file is told at once, with lines, and no value of it is shown by accident.

use super::*;

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
