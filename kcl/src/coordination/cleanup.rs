//! Pure: which leases of ended shards the leader deletes.
//!
//! An ended lease goes once each of its children has one that has progressed: from then on nobody asks for the parent. Parents
//! go before their children, a generation at a time, so that a parent is never left behind whose children are gone. The lease of a
//! live Java worker is left to the KCL, which deletes it by the same rule.
//!
//! Source: amazon-kinesis-client 3.5, `LeaseCleanupManager`.

use std::collections::BTreeMap;

use super::lease_watch::LeaseWatch;
use crate::checkpoint::position::Position;
use crate::lease::model::{Lease, WorkerId};
use crate::lease::write::LeaseWrite;
use crate::stream::ShardId;

/// The deletes. `is_ours` says of a worker whether it is one of this library.
pub(crate) fn plan(watch: &LeaseWatch, is_ours: impl Fn(&WorkerId) -> bool) -> Vec<LeaseWrite> {
    let all = watch.leases().map(|watched| &watched.lease);
    let leases: BTreeMap<_, _> = all.map(|lease| (shard_of(lease), lease)).collect();
    let find = |lease: &Lease, shard: &ShardId| leases.get(&(shard_of(lease).0, shard.as_str())).copied();
    let is_done = |lease: &&&Lease| {
        let is_free = lease.actual_owner().is_none_or(&is_ours) && lease.checkpoint_owner.is_none();
        let has_parent = lease.parents.iter().any(|parent| find(lease, parent).is_some());
        let mut children = lease.children.iter();
        let progressed = children.all(|child| find(lease, child).is_some_and(has_progressed));
        lease.is_finished() && is_free && !has_parent && !lease.children.is_empty() && progressed
    };
    let done = leases.values().filter(is_done);
    done.map(|lease| LeaseWrite::Delete { seen: (*lease).clone() })
        .collect()
}

/// A shard by the name of its stream, if the table has several, and its id.
fn shard_of(lease: &Lease) -> (&str, &str) {
    (lease.stream.as_deref().unwrap_or_default(), lease.shard.as_str())
}

fn has_progressed(lease: &Lease) -> bool {
    match &lease.checkpoint {
        Some(Position::At(_) | Position::ShardEnd) => true,
        Some(Position::TrimHorizon | Position::Latest | Position::AtTimestamp) | None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use std::time::{Duration, Instant};

    use super::*;
    use crate::coordination::lease_watch::ReadTime;

    fn lease(shard: &str, parents: &[&str], children: &[&str], checkpoint: Position) -> Lease {
        let ids = |ids: &[&str]| ids.iter().map(|id| ShardId::new(id)).collect();
        Lease {
            parents: ids(parents),
            children: ids(children),
            ..Lease::of_orders(shard, checkpoint)
        }
    }

    fn ended(shard: &str, parents: &[&str], children: &[&str]) -> Lease {
        lease(shard, parents, children, Position::ShardEnd)
    }

    fn at(digits: &str) -> Position {
        Position::from_row(digits, 0).unwrap()
    }

    fn deleted(leases: Vec<Lease>) -> Vec<String> {
        let now = Instant::now();
        let mut watch = LeaseWatch::new(WorkerId::new("me"), Duration::from_secs(10));
        for lease in leases {
            let (sent, replied) = (now, now);
            drop(watch.saw(lease, ReadTime { sent, replied }));
        }
        let writes = plan(&watch, |worker| worker.as_str() != "java");
        writes.iter().map(|write| write.key().to_string()).collect()
    }

    #[test]
    fn an_ended_lease_is_deleted_once_all_its_children_have_progressed() {
        let parent = || ended("p", &[], &["a", "b"]);
        let (a, b) = (lease("a", &["p"], &[], at("7")), ended("b", &["p"], &[]));
        assert_eq!(deleted(vec![parent(), a.clone(), b]), ["p"]);
        let b = lease("b", &["p"], &[], Position::TrimHorizon);
        assert!(deleted(vec![parent(), a.clone(), b]).is_empty());
        assert!(
            deleted(vec![parent(), a]).is_empty(),
            "a child without a lease is a hole"
        );
    }

    #[test]
    fn a_shard_that_is_read_or_has_no_children_yet_keeps_its_lease() {
        let child = lease("a", &["p"], &[], at("7"));
        assert!(deleted(vec![lease("p", &[], &["a"], at("5")), child.clone()]).is_empty());
        assert!(deleted(vec![ended("p", &[], &[]), child]).is_empty());
    }

    #[test]
    fn a_parent_goes_before_its_child() {
        let family = vec![
            ended("p", &[], &["a"]),
            ended("a", &["p"], &["b"]),
            lease("b", &["a"], &[], at("7")),
        ];
        assert_eq!(deleted(family.clone()), ["p"]);
        assert_eq!(deleted(family[1..].to_vec()), ["a"]);
    }

    #[test]
    fn the_lease_of_a_worker_of_the_kcl_is_left_to_it() {
        let child = lease("a", &["p"], &[], at("7"));
        let of = |owner: &str| Lease {
            owner: Some(WorkerId::new(owner)),
            ..ended("p", &[], &["a"])
        };
        assert!(deleted(vec![of("java"), child.clone()]).is_empty());
        assert_eq!(deleted(vec![of("ours"), child]), ["p"]);
    }
}
