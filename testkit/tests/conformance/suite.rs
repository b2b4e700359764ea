//! Tries all rows on one target, one after another, and then says which failed.

use std::env;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::time::timeout;

use super::row::{Reach, Row};
use super::rows::all_rows;
use super::subject::Subject;
use super::target::Target;
use super::verdict::{Mismatch, Verdict};

/// Tries the rows that can be seen on this target, each on a subject of its own.
///
/// # Panics
///
/// After the last row, if one failed or a known gap is none any more.
pub(crate) async fn conform<F: Future<Output = Subject>>(target: Target, prepare: impl Fn(usize, &'static Row) -> F) {
    let (mut seen, mut complaints) = (0, Vec::new());
    for (index, row) in all_rows().enumerate().filter(|(_, row)| is_chosen(row)) {
        let reach = row.reach(target);
        if matches!(reach, Reach::Unseen(_)) {
            continue;
        }
        seen += 1;
        let verdict = try_on(row, prepare(index, row).await).await;
        complaints.extend(complaint(reach, &verdict).map(|text| format!("* {}\n  {text}", row.claim)));
    }
    let failed = complaints.len();
    println!("{target:?}: {seen} rows seen, {failed} not as they should be");
    assert!(
        complaints.is_empty(),
        "{target:?}, {failed} of {seen} rows:\n{}",
        complaints.join("\n")
    );
}

/// With `CONFORMANCE_ROWS`, only the rows with these words.
fn is_chosen(row: &Row) -> bool {
    env::var("CONFORMANCE_ROWS").map_or(true, |words| row.claim.contains(&words))
}

/// Runs a row to its end, whatever that is, and deletes its streams.
async fn try_on(row: &Row, subject: Subject) -> Verdict {
    let patience = subject.target.patience();
    let run = AssertUnwindSafe((row.check)(&subject)).catch_unwind();
    let verdict = match timeout(patience, run).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Err(Mismatch::broken("panicked, as printed above")),
        Err(_) => Err(Mismatch::broken(format_args!("did not end within {patience:?}"))),
    };
    subject.clean_up().await;
    verdict
}

/// What is wrong with a verdict, if anything.
fn complaint(reach: Reach, verdict: &Verdict) -> Option<String> {
    match (reach, verdict) {
        (Reach::Gap(_), Err(_)) | (Reach::Holds | Reach::Unseen(_), Ok(())) => None,
        (Reach::Gap(gap), Ok(())) => Some(format!("holds, though a gap is listed: {gap}")),
        (Reach::Holds | Reach::Unseen(_), Err(mismatch)) => Some(mismatch.to_string()),
    }
}
