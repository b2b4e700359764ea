//! Pure: a stream that is deleted and created again under its consumers.

use super::coverage;
use super::evidence::Evidence;
use super::judge::Judge;
use super::rare::Rare;
use super::rules::Rule;

/// The stream was deleted.
pub(crate) fn deleted(evidence: &mut Evidence, judge: &mut Judge) {
    let Evidence {
        stream, leases, fleet, ..
    } = evidence;
    if coverage::is_anything_owned(stream, leases, fleet) {
        judge.reached(Rare::StreamDeletedUnderWorker);
    }
    stream.delete(judge.now);
    leases.stream_deleted();
    evidence.struck(judge.now);
}

/// A worker said that it was created again, which is so only while there are leases of another stream, or workers that began
/// with one.
pub(crate) fn told(evidence: &mut Evidence, judge: &mut Judge) {
    let Evidence {
        stream, leases, fleet, ..
    } = evidence;
    let mut began = fleet.living().filter_map(|worker| fleet.started_at(worker));
    if leases.is_any_of_another_stream() || began.any(|at| stream.changed_since(at)) {
        stream.told_of_recreation();
    } else {
        let told = format_args!("a worker said that the stream was created again; all leases are of this one");
        judge.broken(Rule::AtLeastOnce, told);
    }
}
