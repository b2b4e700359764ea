//! Looks at the stream as a whole for consumers that are in doubt about their shards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use service::Clock;
use tokio::sync::Semaphore;

use crate::calls::{Calls, ShardsToList};
use crate::error::StreamError;
use crate::shard_sync::end_evidence::Survey;
use crate::stream::{Incarnation, StreamRef};

/// The surveys of one stream by one worker. One is made at a time, and shared by all who ask meanwhile: thousands of shards
/// in doubt ask together, and the service allows an account 20 calls of DescribeStreamSummary a second.
#[derive(Debug)]
pub(crate) struct Surveyor {
    clock: Clock,
    calls: Calls,
    stream: StreamRef,
    /// The incarnation that the worker began with; unknown if access to its description is denied.
    began_with: Incarnation,
    /// One survey at a time; it may take as long as many pages of shards.
    surveying: Semaphore,
    /// One question for the incarnation at a time, apart from surveys: readers of healthy shards wait for it.
    asking: Semaphore,
    survey: Mutex<Option<Arc<Survey>>>,
    incarnation: Mutex<Option<(Instant, Incarnation)>>,
}

impl Surveyor {
    pub(crate) fn new(calls: Calls, stream: StreamRef, began_with: Incarnation, clock: Clock) -> Self {
        Self {
            clock,
            calls,
            stream,
            began_with,
            surveying: Semaphore::new(1),
            asking: Semaphore::new(1),
            survey: Mutex::default(),
            incarnation: Mutex::default(),
        }
    }

    /// The incarnation of the stream that the worker began with.
    pub(crate) fn began_with(&self) -> &Incarnation {
        &self.began_with
    }

    /// The stream as it was at `since` or later.
    ///
    /// # Cancellation
    ///
    /// The next consumer makes the survey.
    pub(crate) async fn survey(&self, since: Instant) -> Result<Arc<Survey>, StreamError> {
        let _turn = self.surveying.acquire().await;
        let taken_at = self.clock.now();
        let fresh = |survey: &Arc<Survey>| survey.taken_at >= since;
        let latest = lock(&self.survey).clone();
        if let Some(survey) = latest.filter(fresh) {
            return Ok(survey);
        }
        let shards = self.calls.list_shards(&self.stream, ShardsToList::All).await?;
        let survey = Arc::new(Survey {
            taken_at,
            shards,
            incarnation: self.calls.incarnation(&self.stream).await?,
        });
        *lock(&self.survey) = Some(Arc::clone(&survey));
        Ok(survey)
    }

    /// Which incarnation of the stream there was at `since` or later. Unknown if access is denied.
    ///
    /// # Cancellation
    ///
    /// The next consumer asks the service.
    pub(crate) async fn incarnation(&self, since: Instant) -> Result<Incarnation, StreamError> {
        let _turn = self.asking.acquire().await;
        let now = self.clock.now();
        let latest = lock(&self.incarnation).clone();
        if let Some((asked_at, incarnation)) = latest
            && asked_at >= since
        {
            return Ok(incarnation);
        }
        let incarnation = self.calls.incarnation(&self.stream).await?;
        *lock(&self.incarnation) = Some((now, incarnation.clone()));
        Ok(incarnation)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
