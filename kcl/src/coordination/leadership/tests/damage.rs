//! Locks that are damaged or say what cannot be.

use super::*;

#[test]
fn a_lock_that_does_not_say_its_lease_is_told_and_taken_after_two_minutes() {
    for (name, value) in [
        (attribute::LEASE_DURATION, None),
        (
            attribute::LEASE_DURATION,
            Some(AttributeValue::S("2 minutes".to_owned())),
        ),
    ] {
        let mut item = java_lock("java", "v1");
        item.remove(name);
        item.extend(value.map(|value| (name.to_owned(), value)));
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(130 * SECOND);
        assert!(after > 120 * SECOND, "{after:?}");
        assert!(
            matches!(&bench.news[..], [LockNews::Damaged(_), LockNews::Elected]),
            "{:?}",
            bench.news
        );
    }
}

#[test]
fn an_empty_lock_is_told_and_taken_after_two_minutes() {
    let item = java_lock("java", "v1");
    let item = item.into_iter().filter(|(name, _)| name == attribute::KEY).collect();
    let mut bench = Bench::new(Table(Some(item)));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
    assert_eq!(bench.owner(), Some(WorkerId::new("me")));
}

#[test]
fn a_lock_without_a_version_can_be_taken() {
    let mut item = java_lock("java", "v1");
    item.remove(attribute::VERSION);
    let mut bench = Bench::new(Table(Some(item)));
    let after = bench.leads_after(130 * SECOND);
    assert!(after > 120 * SECOND, "{after:?}");
}

#[test]
fn a_lock_that_looks_like_a_lease_is_waited_for_and_taken_like_any_other() {
    let counter = || {
        (
            attribute_of_lease::LEASE_COUNTER.to_owned(),
            AttributeValue::N("7".to_owned()),
        )
    };
    let entity = || (attribute::ENTITY_TYPE.to_owned(), AttributeValue::S("LEASE".to_owned()));
    let whole = java_lock("java", "v1");
    let bare: Item = whole
        .clone()
        .into_iter()
        .filter(|(name, _)| name == attribute::KEY)
        .collect();
    for mut item in [whole, bare] {
        item.extend([counter(), entity()]);
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(130 * SECOND);
        assert!(after > 120 * SECOND, "{after:?}");
        assert_eq!(bench.owner(), Some(WorkerId::new("me")));
        assert!(!bench.table.0.unwrap().contains_key(attribute_of_lease::LEASE_COUNTER));
    }
}

#[test]
fn a_lock_of_more_than_a_day_is_told_and_taken_after_a_day() {
    let day = 24 * 3_600 * SECOND;
    for millis in [2 * day.as_millis(), u128::from(u64::MAX)] {
        let mut item = java_lock("java", "v1");
        let lease = AttributeValue::S(millis.to_string());
        item.insert(attribute::LEASE_DURATION.to_owned(), lease);
        let mut bench = Bench::new(Table(Some(item)));
        let after = bench.leads_after(day + 300 * SECOND);
        assert!(after > day, "{after:?}");
        assert!(
            matches!(&bench.news[..], [LockNews::Damaged(_), LockNews::Elected]),
            "{:?}",
            bench.news
        );
    }
}

#[test]
fn a_lease_beyond_all_times_is_waited_for_without_an_overflow() {
    let mut item = java_lock("java", "v1");
    let lease = AttributeValue::S(u64::MAX.to_string());
    item.insert(attribute::LEASE_DURATION.to_owned(), lease);
    let mut bench = Bench::new(Table(Some(item)));
    bench.pass(1_000 * SECOND);
    assert!(!bench.leads());
    assert!(bench.sent.len() <= 101, "{}", bench.sent.len());
}
