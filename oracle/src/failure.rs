//! Pure: whether a worker may end by itself, and all its tasks do.

use super::evidence::Evidence;
use super::fact::Failure;
use super::judge::Judge;
use super::name::Process;
use super::rules::Rule;

/// A worker that ends without being asked to needs a fault in its life; a panic of its own needs none to be wrong.
pub(crate) fn check(worker: &Process, failure: &Failure, evidence: &Evidence, judge: &mut Judge) {
    match failure {
        Failure::Panicked => judge.broken(
            Rule::Survival,
            format_args!("{worker} ended, because one of its tasks panicked"),
        ),
        Failure::GaveUp(_) if evidence.was_hit(worker) => {}
        Failure::GaveUp(error) => judge.broken(
            Rule::Survival,
            format_args!("{worker} ended with an error, though no fault hit it in its life: {error}"),
        ),
    }
}

/// After everything was shut down, no task is left.
pub(crate) fn check_tasks_left(tasks: &[String], judge: &mut Judge) {
    judge.figures.tasks_left = tasks.len() as u64;
    if !tasks.is_empty() {
        judge.broken(
            Rule::Shutdown,
            format_args!("tasks are left after everything was shut down: {}", tasks.join(", ")),
        );
    }
}
