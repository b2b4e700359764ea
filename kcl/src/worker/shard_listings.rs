//! Tells the lease side which shards the service lists.

use std::convert::Infallible;
use std::future::pending;

use tokio::sync::mpsc;

use super::Worker;
use crate::lease::listings::Question;
use crate::lease::ownership::Listing;
use crate::shard_sync::end_evidence::Survey;
use crate::shard_sync::surveyor::Surveyor;

impl Worker {
    /// Answers as long as it is polled: one list serves all questions that wait for it.
    pub(super) async fn answer_about_shards(
        &self,
        surveyor: &Surveyor,
        mut questions: mpsc::Receiver<Question>,
    ) -> Infallible {
        while let Some(first) = questions.recv().await {
            let mut asked = vec![first];
            while let Ok(next) = questions.try_recv() {
                asked.push(next);
            }
            let survey = surveyor.survey(self.clock.now()).await.ok();
            for question in asked {
                let listing = survey
                    .as_ref()
                    .map_or(Listing::Unknown, |survey| listing(survey, &question));
                // A lease that has lapsed meanwhile waits no more.
                drop(question.answer.send(listing));
            }
        }
        // The lease side has ended.
        pending().await
    }
}

/// A shard of a former stream may have the name of one of the present.
fn listing(survey: &Survey, question: &Question) -> Listing {
    let is_listed = survey.shards.iter().any(|shard| shard.id == question.shard);
    match is_listed && question.stream.may_be(&survey.incarnation) {
        true => Listing::Listed,
        false => Listing::NotListed,
    }
}
