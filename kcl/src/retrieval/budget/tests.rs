//! Cases of what the read budget grants.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1024 * 1024;
const LIMIT: u64 = 64 * MIB;

fn granted(reply: Reply) -> u64 {
    match reply {
        Reply::Granted(bytes) => bytes,
        Reply::Waits => panic!("the request waits"),
    }
}

#[test]
fn a_shard_that_is_behind_gets_a_full_page() {
    let mut budget = Budget::new(LIMIT);
    let shard = budget.open();
    assert_eq!(budget.request(shard, u64::MAX), Reply::Granted(LARGEST_PAGE));
    assert_eq!(budget.charged(), LARGEST_PAGE);
}

#[test]
fn a_shard_holds_at_most_its_share_of_the_limit() {
    let mut budget = Budget::new(LIMIT);
    let shard = budget.open();
    granted(budget.request(shard, LARGEST_PAGE));
    assert_eq!(budget.request(shard, LARGEST_PAGE), Reply::Waits);

    let mut budget = Budget::new(800 * MIB);
    let shard = budget.open();
    for _ in 0..10 {
        granted(budget.request(shard, LARGEST_PAGE));
    }
    assert_eq!(budget.request(shard, SMALL_PAGE), Reply::Waits);
}

#[test]
fn a_shard_that_holds_nothing_gets_a_small_page_although_nothing_is_free() {
    let mut budget = Budget::new(LIMIT);
    let full: Vec<_> = (0..7).map(|_| budget.open()).collect();
    let bytes: u64 = full
        .iter()
        .map(|shard| granted(budget.request(*shard, LARGEST_PAGE)))
        .sum();
    assert_eq!(bytes, LIMIT);
    let late = budget.open();
    assert_eq!(budget.request(late, LARGEST_PAGE), Reply::Granted(SMALL_PAGE));
    assert_eq!(budget.request(late, LARGEST_PAGE), Reply::Waits);
}

#[test]
fn what_a_reply_did_not_need_is_granted_to_who_waits() {
    let mut budget = Budget::new(LIMIT);
    let shards: Vec<_> = (0..8).map(|_| budget.open()).collect();
    for shard in &shards {
        granted(budget.request(*shard, LARGEST_PAGE));
    }
    assert_eq!(budget.request(shards[7], LARGEST_PAGE), Reply::Waits);
    let grants = budget.release(shards[0], 9 * MIB);
    // The eighth shard had a small page beyond the limit.
    assert_eq!(
        grants,
        [Grant {
            account: shards[7],
            bytes: 9 * MIB - SMALL_PAGE
        }]
    );
    assert_eq!(budget.charged(), LIMIT);
}

#[test]
fn a_request_for_a_large_page_does_not_block_others() {
    let mut budget = Budget::new(20 * MIB);
    let (first, second) = (budget.open(), budget.open());
    granted(budget.request(first, LARGEST_PAGE));
    granted(budget.request(second, LARGEST_PAGE));
    assert_eq!(budget.request(first, LARGEST_PAGE), Reply::Waits);
    assert_eq!(budget.request(second, SMALL_PAGE), Reply::Waits);
    // The first shard holds a whole page, and may hold no more.
    assert_eq!(
        budget.release(second, MIB),
        [Grant {
            account: second,
            bytes: SMALL_PAGE
        }]
    );
}

#[test]
fn requests_that_wait_are_granted_in_their_order() {
    let mut budget = Budget::new(MIB);
    let shards: Vec<_> = (0..3).map(|_| budget.open()).collect();
    granted(budget.request(shards[0], MIB));
    for shard in &shards[1..] {
        assert_eq!(budget.request(*shard, MIB), Reply::Granted(SMALL_PAGE));
        assert_eq!(budget.request(*shard, MIB), Reply::Waits);
    }
    let grants = budget.release(shards[0], MIB);
    assert_eq!(
        grants,
        [Grant {
            account: shards[1],
            bytes: MIB - 2 * SMALL_PAGE
        }]
    );
    let grants = budget.release(shards[1], MIB - 2 * SMALL_PAGE);
    assert_eq!(
        grants,
        [Grant {
            account: shards[2],
            bytes: MIB - 2 * SMALL_PAGE
        }]
    );
}

#[test]
fn a_withdrawn_request_is_granted_nothing() {
    let mut budget = Budget::new(MIB);
    let (first, second) = (budget.open(), budget.open());
    granted(budget.request(first, MIB));
    granted(budget.request(second, MIB));
    assert_eq!(budget.request(second, MIB), Reply::Waits);
    budget.withdraw(second);
    assert_eq!(budget.release(first, MIB), []);
}

#[test]
fn a_closed_account_is_charged_until_its_pages_are_released() {
    let mut budget = Budget::new(MIB);
    let shard = budget.open();
    granted(budget.request(shard, MIB));
    assert_eq!(budget.request(shard, MIB), Reply::Waits);
    budget.close(shard);
    assert_eq!(budget.charged(), MIB);
    assert_eq!(budget.release(shard, MIB), []);
    assert_eq!(budget.charged(), 0);
    assert!(budget.accounts.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Request {
        shard: usize,
        bytes: u64,
    },
    /// A reply of `percent` of what the oldest open grant of the shard allows.
    Answer {
        shard: usize,
        percent: u64,
    },
    Release {
        shard: usize,
    },
}

const SHARDS: usize = 6;

fn any_step() -> impl Strategy<Value = Step> {
    let shard = 0..SHARDS;
    prop_oneof![
        3 => (shard.clone(), 0..2 * LARGEST_PAGE).prop_map(|(shard, bytes)| Step::Request { shard, bytes }),
        3 => (shard.clone(), 0_u64..=100).prop_map(|(shard, percent)| Step::Answer { shard, percent }),
        2 => shard.prop_map(|shard| Step::Release { shard }),
    ]
}

/// Readers as the worker has them: one request at a time, an answer to each grant, pages that are released in order.
#[derive(Debug, Default)]
struct Reader {
    waits: bool,
    granted: Option<u64>,
    pages: Vec<u64>,
}

proptest! {
    #[test]
    fn the_bytes_held_keep_to_the_limit_and_no_shard_starves(
        limit in 0..(4 * LARGEST_PAGE),
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        let mut budget = Budget::new(limit);
        let accounts: Vec<_> = (0..SHARDS).map(|_| budget.open()).collect();
        let mut readers: BTreeMap<AccountId, Reader> =
            accounts.iter().map(|account| (*account, Reader::default())).collect();
        for step in steps {
            let mut grants = Vec::new();
            match step {
                Step::Request { shard, bytes } => {
                    let reader = readers.get_mut(&accounts[shard]).unwrap();
                    if !reader.waits && reader.granted.is_none() {
                        match budget.request(accounts[shard], bytes) {
                            Reply::Granted(bytes) => reader.granted = Some(bytes),
                            Reply::Waits => {
                                prop_assert!(!reader.pages.is_empty(), "a shard that holds nothing waits");
                                reader.waits = true;
                            }
                        }
                    }
                }
                Step::Answer { shard, percent } => {
                    let reader = readers.get_mut(&accounts[shard]).unwrap();
                    if let Some(granted) = reader.granted.take() {
                        let used = granted * percent / 100;
                        if used > 0 {
                            reader.pages.push(used);
                        }
                        grants = budget.release(accounts[shard], granted - used);
                    }
                }
                Step::Release { shard } => {
                    let reader = readers.get_mut(&accounts[shard]).unwrap();
                    if let Some(page) = reader.pages.pop() {
                        grants = budget.release(accounts[shard], page);
                    }
                }
            }
            for Grant { account, bytes } in grants {
                let reader = readers.get_mut(&account).unwrap();
                prop_assert!(reader.waits);
                (reader.waits, reader.granted) = (false, Some(bytes));
            }
            let held: u64 = readers.values().map(|r| r.granted.unwrap_or(0) + r.pages.iter().sum::<u64>()).sum();
            prop_assert_eq!(held, budget.charged());
            prop_assert!(held <= limit + SMALL_PAGE * SHARDS as u64);
            // A reader that waits holds pages, so a release comes that serves it.
            prop_assert!(readers.values().all(|reader| !reader.waits || !reader.pages.is_empty()));
        }
    }
}
