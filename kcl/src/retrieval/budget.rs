//! Pure: how many bytes of pages a worker holds, and which read may be sent.
//!
//! ```text
//!  request ──► room for a small page or more? ── yes ──► granted: what it asks for, at most the room
//!                    │ no
//!                    ├── the shard holds nothing ──────► granted: a small page, beyond the limit if need be
//!                    └── it holds pages ───────────────► waits until pages are released
//! ```
//!
//! The room is what is free of the limit, and of the shard's share of it. A grant is charged before its read is sent; the
//! reply corrects the charge in both directions, and the charge ends when the application has released the page. So the
//! bytes held never exceed the limit, plus a small page for each shard, plus what replies are larger than their grants.
//!
//! A waiting request takes any room from a small page upwards. So a request for a large page does not block others, and
//! nobody waits for more than a small page of room.

use std::collections::BTreeMap;

/// The most bytes of one reply.
///
/// Source: Amazon Kinesis Data Streams API reference, `GetRecords`.
pub(crate) const LARGEST_PAGE: u64 = 10 * 1024 * 1024;

/// What a shard that holds nothing may always read. Our choice.
pub(crate) const SMALL_PAGE: u64 = 64 * 1024;

/// The part of the limit that one shard may hold, unless a page is more. Our choice.
const SHARE_OF_ONE_SHARD: u64 = 8;

/// The account of one shard's reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AccountId(u64);

/// The place of a waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(u64);

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A read of this many bytes may be sent; they are charged.
    Granted(u64),
    /// A later release grants it.
    Waits,
}

/// A request that waited and is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) account: AccountId,
    pub(crate) bytes: u64,
}

/// The bytes that the readers of one worker hold.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    charged: u64,
    accounts: BTreeMap<AccountId, Account>,
    /// Whose requests wait, in the order in which they came.
    waiting: BTreeMap<Ticket, AccountId>,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Account {
    held: u64,
    /// The request that waits, and its place. A reader makes one request at a time.
    request: Option<(Ticket, u64)>,
    /// No more requests come, and it is forgotten once it holds nothing.
    is_closed: bool,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            charged: 0,
            accounts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Opens an account that holds nothing.
    pub(crate) fn open(&mut self) -> AccountId {
        let id = AccountId(self.next_id());
        self.accounts.insert(id, Account::default());
        id
    }

    /// Closes an account. What it holds stays charged until it is released.
    pub(crate) fn close(&mut self, id: AccountId) {
        self.withdraw(id);
        if let Some(account) = self.accounts.get_mut(&id) {
            account.is_closed = true;
        }
        self.forget(id);
    }

    /// Asks for a read of `bytes`, between [`SMALL_PAGE`] and [`LARGEST_PAGE`], in the place of an earlier request.
    pub(crate) fn request(&mut self, id: AccountId, bytes: u64) -> Reply {
        self.withdraw(id);
        let bytes = bytes.clamp(SMALL_PAGE, LARGEST_PAGE);
        if let Some(granted) = self.grant(id, bytes) {
            return Reply::Granted(granted);
        }
        let ticket = Ticket(self.next_id());
        self.waiting.insert(ticket, id);
        self.accounts.entry(id).or_default().request = Some((ticket, bytes));
        Reply::Waits
    }

    /// Withdraws the request that waits, if there is one.
    pub(crate) fn withdraw(&mut self, id: AccountId) {
        let request = self.accounts.get_mut(&id).and_then(|account| account.request.take());
        if let Some((ticket, _)) = request {
            self.waiting.remove(&ticket);
        }
    }

    /// Charges `bytes` without asking: a reply was larger than its grant.
    pub(crate) fn charge(&mut self, id: AccountId, bytes: u64) {
        self.charged = self.charged.saturating_add(bytes);
        let account = self.accounts.entry(id).or_default();
        account.held = account.held.saturating_add(bytes);
    }

    /// Takes back `bytes` of an account, and returns the waiting requests that are granted now.
    pub(crate) fn release(&mut self, id: AccountId, bytes: u64) -> Vec<Grant> {
        self.charged = self.charged.saturating_sub(bytes);
        if let Some(account) = self.accounts.get_mut(&id) {
            debug_assert!(bytes <= account.held, "more is released than was held");
            account.held = account.held.saturating_sub(bytes);
        }
        self.forget(id);
        let mut grants = Vec::new();
        // Its own request first: a shard that holds nothing gets a small page although nothing is free.
        grants.extend(self.grant_request(id));
        let mut behind = Ticket(0);
        while self.free() >= SMALL_PAGE {
            let Some((&ticket, &next)) = self.waiting.range(behind..).next() else {
                break;
            };
            behind = Ticket(ticket.0 + 1);
            grants.extend(self.grant_request(next));
        }
        grants
    }

    /// All bytes that are charged.
    pub(crate) fn charged(&self) -> u64 {
        self.charged
    }

    /// Grants the request of an account that waits, if there is room for it.
    fn grant_request(&mut self, id: AccountId) -> Option<Grant> {
        let (_, wanted) = self.accounts.get(&id)?.request?;
        let bytes = self.grant(id, wanted)?;
        self.withdraw(id);
        Some(Grant { account: id, bytes })
    }

    fn grant(&mut self, id: AccountId, wanted: u64) -> Option<u64> {
        let held = self.accounts.get(&id).map_or(0, |account| account.held);
        let most = LARGEST_PAGE.max(self.limit / SHARE_OF_ONE_SHARD);
        let room = self.free().min(most.saturating_sub(held));
        let granted = if room >= SMALL_PAGE {
            wanted.min(room)
        } else if held == 0 {
            SMALL_PAGE
        } else {
            return None;
        };
        self.charge(id, granted);
        Some(granted)
    }

    fn free(&self) -> u64 {
        self.limit.saturating_sub(self.charged)
    }

    fn forget(&mut self, id: AccountId) {
        if self
            .accounts
            .get(&id)
            .is_some_and(|account| account.is_closed && account.held == 0)
        {
            self.accounts.remove(&id);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

#[cfg(test)]
mod tests;
