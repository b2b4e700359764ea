//! Room in a worker's read budget, held by values: what is dropped is released.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::retrieval::budget::{AccountId, Budget, Grant, Reply};

/// The read budget of one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ReadBudget {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    budget: Budget,
    /// Readers that wait. A reader that is gone is found when its permit cannot be sent.
    waiting: BTreeMap<AccountId, oneshot::Sender<Permit>>,
}

impl ReadBudget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        let shared = Shared {
            budget: Budget::new(limit),
            waiting: BTreeMap::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// An account for one shard's reader.
    pub(crate) fn account(&self) -> Account {
        Account {
            id: self.lock().budget.open(),
            budget: self.clone(),
        }
    }

    /// All bytes that are charged.
    pub(crate) fn charged(&self) -> u64 {
        self.lock().budget.charged()
    }

    fn permit(&self, account: AccountId, bytes: u64) -> Permit {
        Permit {
            budget: self.clone(),
            account,
            bytes,
        }
    }

    fn release(&self, account: AccountId, bytes: u64) {
        let mut shared = self.lock();
        let grants = shared.budget.release(account, bytes);
        let sends: Vec<_> = grants
            .into_iter()
            .map(|Grant { account, bytes }| (shared.waiting.remove(&account), self.permit(account, bytes)))
            .collect();
        drop(shared);
        for (waiting, permit) in sends {
            // A permit that nobody waits for is dropped here, and thereby released: without the lock.
            if let Some(waiting) = waiting {
                drop(waiting.send(permit));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account of one shard's reader. Its permits may outlive it.
#[derive(Debug)]
pub(crate) struct Account {
    id: AccountId,
    budget: ReadBudget,
}

impl Account {
    /// Waits for room for a read of up to `bytes`. A shard that holds nothing never waits.
    ///
    /// # Cancellation
    ///
    /// A dropped future holds nothing.
    pub(crate) async fn permit(&mut self, bytes: u64) -> Permit {
        loop {
            let granted = {
                let mut shared = self.budget.lock();
                match shared.budget.request(self.id, bytes) {
                    Reply::Granted(bytes) => return self.budget.permit(self.id, bytes),
                    Reply::Waits => {
                        let (sender, granted) = oneshot::channel();
                        shared.waiting.insert(self.id, sender);
                        granted
                    }
                }
            };
            // The sender is dropped only by a later request of this account.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut shared = self.budget.lock();
        shared.budget.close(self.id);
        let waiting = shared.waiting.remove(&self.id);
        drop(shared);
        drop(waiting);
    }
}

/// Room for one page, released when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: ReadBudget,
    account: AccountId,
    bytes: u64,
}

impl Permit {
    /// How many bytes it is for.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it a permit for `bytes`: releases what the page does not need, or charges what it has over.
    pub(crate) fn settle(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        match before.checked_sub(bytes) {
            Some(unused) => self.budget.release(self.account, unused),
            None => self.budget.lock().budget.charge(self.account, bytes - before),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.release(self.account, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::retrieval::budget::SMALL_PAGE;

    const LIMIT: u64 = 4 * SMALL_PAGE;

    /// A budget whose whole limit one permit holds.
    async fn full() -> (ReadBudget, Account, Permit) {
        let budget = ReadBudget::new(LIMIT);
        let mut account = budget.account();
        let permit = account.permit(LIMIT).await;
        (budget, account, permit)
    }

    #[tokio::test]
    async fn a_reader_waits_for_room_and_gets_it_when_a_page_is_dropped() {
        let (budget, mut account, page) = full().await;
        let mut next = Box::pin(account.permit(SMALL_PAGE));
        assert!(next.as_mut().now_or_never().is_none());
        drop(page);
        assert_eq!(next.await.bytes(), SMALL_PAGE);
        assert_eq!(budget.charged(), 0);
    }

    #[tokio::test]
    async fn a_reader_that_is_dropped_while_it_waits_holds_nothing() {
        let (budget, mut account, page) = full().await;
        assert!(account.permit(SMALL_PAGE).now_or_never().is_none());
        drop(page);
        assert_eq!(budget.charged(), 0);
        assert_eq!(account.permit(LIMIT).await.bytes(), LIMIT);
    }

    #[tokio::test]
    async fn a_permit_that_was_granted_to_a_dropped_future_is_released() {
        let (budget, mut account, page) = full().await;
        let mut next = Box::pin(account.permit(SMALL_PAGE));
        assert!(next.as_mut().now_or_never().is_none());
        drop(page);
        assert_eq!(budget.charged(), SMALL_PAGE);
        drop(next);
        assert_eq!(budget.charged(), 0);
    }

    #[tokio::test]
    async fn a_permit_is_settled_to_what_the_page_is() {
        let (budget, _account, mut page) = full().await;
        page.settle(10);
        assert_eq!(budget.charged(), 10);
        page.settle(2 * LIMIT);
        assert_eq!(budget.charged(), 2 * LIMIT);
        drop(page);
        assert_eq!(budget.charged(), 0);
    }

    #[tokio::test]
    async fn a_page_outlives_its_reader_and_stays_charged() {
        let (budget, account, page) = full().await;
        drop(account);
        assert_eq!(budget.charged(), LIMIT);
        drop(page);
        assert_eq!(budget.charged(), 0);
    }
}
