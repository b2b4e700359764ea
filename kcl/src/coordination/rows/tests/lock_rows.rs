//! The row of the leader's lock.

use super::*;

#[test]
fn the_lock_of_a_java_leader_is_read() {
    let lock = lock(&lock_row());
    assert_eq!(lock.owner, Some(WorkerId::new("w1")));
    assert_eq!(lock.lease, Some(std::time::Duration::from_secs(120)));
    assert_eq!(lock.version.value(), Some(&s("6f9d")));
    assert_eq!((lock.is_released, lock.leads_for, &lock.damage), (false, None, &None));
}

#[test]
fn a_row_under_the_key_of_the_lock_is_the_lock_even_if_it_looks_like_a_lease() {
    let mut item = lock_row();
    item.insert("leaseCounter".to_owned(), n("3"));
    item.insert("entityType".to_owned(), s("LEASE"));
    let lock = lock(&item);
    assert_eq!(lock.owner, Some(WorkerId::new("w1")));
    assert_eq!(lock.others.get("leaseCounter"), Some(&n("3")));
    let bare = row([("leaseKey", s("Leader")), ("leaseCounter", n("3"))]);
    assert!(matches!(FleetRow::of_item(bare), FleetRow::Lock(_)));
}

#[test]
fn a_lock_of_more_than_a_day_is_read_and_named_as_damage() {
    for (millis, is_damaged) in [(86_400_000_u64, false), (86_400_001, true), (u64::MAX, true)] {
        let mut item = lock_row();
        item.insert("leaseDuration".to_owned(), s(&millis.to_string()));
        let lock = lock(&item);
        assert_eq!(lock.lease, Some(std::time::Duration::from_millis(millis)));
        assert_eq!(lock.damage.is_some(), is_damaged, "{:?}", lock.damage);
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn a_lock_is_released_only_by_the_text_1() {
    for (value, is_released) in [(s("1"), true), (s("0"), false), (n("1"), false), (s(""), false)] {
        let mut item = lock_row();
        item.insert("isReleased".to_owned(), value);
        let lock = lock(&item);
        assert_eq!(lock.is_released, is_released);
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn a_damaged_lock_is_a_lock_that_names_its_damage_and_keeps_its_attributes() {
    let damaged = [
        ("ownerName", Some(n("7")), "holds the number 7, which is not a string"),
        ("recordVersionNumber", None, "is missing"),
        ("leaseDuration", None, "is missing"),
        ("leaseDuration", Some(s("")), "is missing"),
        (
            "leaseDuration",
            Some(n("120000")),
            "holds the number 120000, which is not milliseconds as a string",
        ),
        (
            "leaseDuration",
            Some(s("-1")),
            "holds the string \"-1\", which is not milliseconds as a string",
        ),
    ];
    for (attribute, value, fault) in damaged {
        let mut item = lock_row();
        item.remove(attribute);
        item.extend(value.map(|value| (attribute.to_owned(), value)));
        let lock = lock(&item);
        assert_eq!(
            lock.damage.as_ref().unwrap().to_string(),
            format!("the attribute {attribute} of the row \"Leader\" of the lease table {fault}")
        );
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn the_version_of_a_lock_is_kept_whatever_its_type() {
    for value in [n("7"), AttributeValue::Null(true), s("")] {
        let mut item = lock_row();
        item.insert("recordVersionNumber".to_owned(), value.clone());
        let lock = lock(&item);
        assert_eq!(lock.version.value(), Some(&value));
        assert_eq!(lock.encode(), item);
    }
}

#[test]
fn versions_are_uuids_that_do_not_repeat() {
    let mut rng = fastrand::Rng::with_seed(1);
    let versions = [(); 1_000].map(|()| LockVersion::random(&mut rng));
    let texts: BTreeSet<_> = versions.iter().map(|it| it.value().unwrap().as_s().unwrap()).collect();
    assert_eq!(texts.len(), 1_000);
    for text in texts {
        let parts: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{text}");
        assert_eq!(&text[14..15], "4", "{text}");
        assert!(["8", "9", "a", "b"].contains(&&text[19..20]), "{text}");
    }
}
