//! Pure: whether a shard was read to its end, or only seems so.
//!
//! ```text
//!  a reply names the children ─────────────────────────────► ended
//!  a reply without iterator and children, or NotFound ─────► in doubt: look at the list of shards
//!     the stream is missing, or was created again ─────────► hold
//!     the list shows the shard open ───────────────────────► read on
//!     the list shows it closed, with children ─────────────► ended
//!     not listed, and newer than all that are ─────────────► hold: the stream does not have it yet
//!     closed without children, or not listed ──────────────► hold; ended if lists 30 s apart agree
//! ```
//!
//! An end that is judged too early loses records: its checkpoint tells all later owners that the shard was read. A hold
//! costs time only.

use std::fmt;
use std::time::{Duration, Instant};

use crate::shard_sync::graph::ChildShard;
use crate::shard_sync::planner::listed_children;
use crate::stream::{Incarnation, Shard, ShardId, ShardState};

/// Minimum time between two lists that both omit a shard, or its children, before the shard counts as ended. Our choice:
/// `ListShards` lags behind a resharding by seconds.
const LISTS_APART: Duration = Duration::from_secs(30);

/// The stream at one time.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Before the first page of the list was asked for.
    pub(crate) taken_at: Instant,
    /// All shards that the stream still has.
    pub(crate) shards: Vec<Shard>,
    /// Read after the list, so that the list is not of a later incarnation. Unknown if access to it is denied.
    pub(crate) incarnation: Incarnation,
}

/// What is known of the end of one shard.
#[derive(Debug)]
pub(crate) struct EndEvidence {
    shard: ShardId,
    /// The incarnation of the stream whose shard it is, as far as it is known.
    stream: Incarnation,
    /// Since when the shard, or its children, have been missing from each list.
    missing_since: Option<Instant>,
}

/// What a survey says of a shard whose end is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The shard takes records: it is read on.
    Open,
    /// The shard was read to its end, or the stream has trimmed it; these took over.
    Ended(Vec<ChildShard>),
    /// Nothing is certain: the shard is neither read nor ended until a later survey tells more.
    Hold(Hold),
}

/// Why a shard is neither read nor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// The stream does not exist at the moment.
    StreamMissing,
    /// Another stream has the name now: positions of the earlier one mean nothing in it.
    StreamCreatedAgain,
    /// The same, and this worker begins anew with it in a moment.
    BeginsAnew,
    /// The stream's creation time is unknown, so the shard may be another stream's.
    StreamUnknown,
    /// The list lacks the shard.
    ShardNotListed,
    /// The list shows the shard closed, but no shard that took over.
    ChildrenNotListed,
    /// The service refuses the checkpoint as a position of this shard.
    PositionRefused,
    /// The time from which to read is later than the service's clock.
    StartsLater,
    /// Records may be missing behind the checkpoint, and the application has chosen to halt then.
    PossibleLoss,
}

impl Hold {
    /// Whether it lasts until somebody acts.
    pub(crate) fn needs_action(self) -> bool {
        match self {
            Self::StreamCreatedAgain | Self::PositionRefused | Self::PossibleLoss => true,
            Self::StreamMissing
            | Self::StreamUnknown
            | Self::ShardNotListed
            | Self::ChildrenNotListed
            | Self::StartsLater
            | Self::BeginsAnew => false,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StreamMissing => "the stream does not exist",
            Self::StreamCreatedAgain => {
                "the stream was deleted and created again; the lease table belongs to the earlier stream: delete the \
                 table, or its rows, to read this stream from the configured starting position"
            }
            Self::StreamUnknown => {
                "the service no longer knows the shard, and access to kinesis:DescribeStreamSummary is denied, so that \
                 it may belong to a stream of the same name that was deleted"
            }
            Self::ShardNotListed => "ListShards does not list the shard",
            Self::ChildrenNotListed => "ListShards lists the shard as closed, without children",
            Self::BeginsAnew => "the stream was deleted and created again, and this worker begins anew with it",
            Self::StartsLater => {
                "the time to read from is later than the service's clock; the shard is read once that time has come"
            }
            Self::PossibleLoss => {
                "records behind the checkpoint may have been trimmed before they were read; WorkerControl::skip reads on with \
                 the oldest record"
            }
            Self::PositionRefused => {
                "the service refuses the checkpoint of the lease row: it belongs to another shard or stream, or was edited; \
                 correct the row's checkpoint, and the shard is read from there; or delete the row while no worker runs, and \
                 the shard is read from the configured starting position"
            }
        })
    }
}

impl EndEvidence {
    /// Knows nothing yet of `shard`, which belongs to this incarnation of the stream.
    pub(crate) fn new(shard: ShardId, stream: Incarnation) -> Self {
        Self {
            shard,
            stream,
            missing_since: None,
        }
    }

    /// Whether `seen` is the stream whose shard it is, as far as is known.
    pub(crate) fn is_same_stream(&self, seen: &Incarnation) -> bool {
        self.stream.may_be(seen)
    }

    /// Judges by a survey that was made because the shard's end is in doubt.
    pub(crate) fn judge(&mut self, survey: &Survey) -> Verdict {
        if !self.is_same_stream(&survey.incarnation) {
            return Verdict::Hold(Hold::StreamCreatedAgain);
        }
        let listed = survey.shards.iter().find(|shard| shard.id == self.shard);
        let children = listed_children(&self.shard, &survey.shards);
        let hold = match listed.map(|shard| shard.state) {
            Some(ShardState::Open) => {
                self.missing_since = None;
                return Verdict::Open;
            }
            _ if !self.stream.is_known() || !survey.incarnation.is_known() => {
                return Verdict::Hold(Hold::StreamUnknown);
            }
            Some(ShardState::Closed) if !children.is_empty() => return Verdict::Ended(children),
            Some(ShardState::Closed) => Hold::ChildrenNotListed,
            // A shard that was trimmed has descendants, and they are newer.
            None if self.is_newer_than_all(&survey.shards) => return Verdict::Hold(Hold::ShardNotListed),
            None => Hold::ShardNotListed,
        };
        let since = *self.missing_since.get_or_insert(survey.taken_at);
        if survey.taken_at.saturating_duration_since(since) >= LISTS_APART {
            Verdict::Ended(children)
        } else {
            Verdict::Hold(hold)
        }
    }

    /// Whether all of `shards` are older than the shard, by the numbers in their ids.
    fn is_newer_than_all(&self, shards: &[Shard]) -> bool {
        let number = self.shard.number();
        number.is_some() && shards.iter().all(|listed| listed.id.number() < number)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use std::time::SystemTime;

    use aggregation::HashKeyRange;

    use super::*;

    fn incarnation(created: u64) -> Incarnation {
        let arn = "arn:aws:kinesis:eu-north-1:123456789012:stream/orders";
        Incarnation::new(arn, SystemTime::UNIX_EPOCH + Duration::from_secs(created))
    }

    fn shard(id: &str, parents: &[&str], state: ShardState) -> Shard {
        Shard {
            id: ShardId::new(id),
            parents: parents.iter().map(|id| ShardId::new(id)).collect(),
            range: Some(HashKeyRange::FULL),
            state,
            starting_sequence_number: "0".into(),
        }
    }

    fn survey(taken_at: Instant, shards: Vec<Shard>) -> Survey {
        Survey {
            taken_at,
            shards,
            incarnation: incarnation(1),
        }
    }

    fn evidence() -> EndEvidence {
        EndEvidence::new(ShardId::new("0"), incarnation(1))
    }

    fn children(verdict: Verdict) -> Vec<String> {
        match verdict {
            Verdict::Ended(children) => children.iter().map(|child| child.id.to_string()).collect(),
            Verdict::Open | Verdict::Hold(_) => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn a_shard_that_is_listed_as_open_is_read_on() {
        let now = Instant::now();
        let survey = survey(now, vec![shard("0", &[], ShardState::Open)]);
        assert_eq!(evidence().judge(&survey), Verdict::Open);
    }

    #[test]
    fn a_shard_that_is_listed_as_closed_with_its_children_has_ended() {
        let shards = vec![
            shard("0", &[], ShardState::Closed),
            shard("1", &["0"], ShardState::Open),
            shard("2", &["0"], ShardState::Open),
        ];
        let survey = survey(Instant::now(), shards);
        assert_eq!(children(evidence().judge(&survey)), ["1", "2"]);
    }

    #[test]
    fn a_shard_that_is_not_listed_has_ended_only_when_lists_half_a_minute_apart_agree() {
        let (mut evidence, now) = (evidence(), Instant::now());
        let child = || vec![shard("1", &["0"], ShardState::Open)];
        let hold = Verdict::Hold(Hold::ShardNotListed);
        assert_eq!(evidence.judge(&survey(now, child())), hold);
        assert_eq!(evidence.judge(&survey(now + LISTS_APART / 2, child())), hold);
        assert_eq!(children(evidence.judge(&survey(now + LISTS_APART, child()))), ["1"]);
    }

    #[test]
    fn a_shard_that_is_newer_than_all_listed_ones_does_not_end_however_often_it_is_missing() {
        let now = Instant::now();
        let mut evidence = EndEvidence::new(ShardId::new("shardId-000000000007"), incarnation(1));
        for after in [Duration::ZERO, LISTS_APART, 10 * LISTS_APART] {
            let listed = vec![shard("shardId-000000000001", &[], ShardState::Open)];
            let verdict = evidence.judge(&survey(now + after, listed));
            assert_eq!(verdict, Verdict::Hold(Hold::ShardNotListed));
        }
        let newer = || vec![shard("shardId-000000000009", &[], ShardState::Open)];
        evidence.judge(&survey(now + 11 * LISTS_APART, newer()));
        assert!(children(evidence.judge(&survey(now + 12 * LISTS_APART, newer()))).is_empty());
    }

    #[test]
    fn a_list_that_shows_the_shard_again_starts_the_half_minute_anew() {
        let (mut evidence, now) = (evidence(), Instant::now());
        assert_eq!(
            evidence.judge(&survey(now, vec![])),
            Verdict::Hold(Hold::ShardNotListed)
        );
        let open = survey(now + LISTS_APART / 2, vec![shard("0", &[], ShardState::Open)]);
        assert_eq!(evidence.judge(&open), Verdict::Open);
        let hold = Verdict::Hold(Hold::ShardNotListed);
        assert_eq!(evidence.judge(&survey(now + LISTS_APART, vec![])), hold);
    }

    #[test]
    fn a_closed_shard_without_children_is_held_until_lists_half_a_minute_apart_agree() {
        let (mut evidence, now) = (evidence(), Instant::now());
        let closed = || vec![shard("0", &[], ShardState::Closed)];
        let hold = Verdict::Hold(Hold::ChildrenNotListed);
        assert_eq!(evidence.judge(&survey(now, closed())), hold);
        assert!(children(evidence.judge(&survey(now + LISTS_APART, closed()))).is_empty());
    }

    #[test]
    fn a_stream_that_was_created_again_ends_no_shard_however_often_it_is_listed() {
        let (mut evidence, now) = (evidence(), Instant::now());
        for (state, after) in [
            (ShardState::Open, 0),
            (ShardState::Closed, 60),
            (ShardState::Closed, 120),
        ] {
            let again = Survey {
                incarnation: incarnation(2),
                ..survey(now + Duration::from_secs(after), vec![shard("0", &[], state)])
            };
            assert_eq!(evidence.judge(&again), Verdict::Hold(Hold::StreamCreatedAgain));
        }
    }

    #[test]
    fn without_the_creation_time_an_open_shard_is_read_on_and_no_other_one_ends() {
        let now = Instant::now();
        let unknown = |shards| Survey {
            incarnation: Incarnation::default(),
            ..survey(now, shards)
        };
        let open = unknown(vec![shard("0", &[], ShardState::Open)]);
        assert_eq!(evidence().judge(&open), Verdict::Open);
        let closed = vec![
            shard("0", &[], ShardState::Closed),
            shard("1", &["0"], ShardState::Open),
        ];
        assert_eq!(evidence().judge(&unknown(closed)), Verdict::Hold(Hold::StreamUnknown));
    }
}
