//! Pure: the writes of this process that the lock may show.

use std::collections::VecDeque;
use std::time::Instant;

use super::{DRIFT, LEADS_FOR};
use crate::coordination::rows::LockVersion;

/// How many are remembered. Our choice: over three minutes of tries, and no request is in flight for so long.
const MOST: usize = 64;

/// A write of this process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Own {
    pub(super) version: LockVersion,
    pub(super) sent: Instant,
}

impl Own {
    /// Until when the write makes this worker the leader, if it was applied.
    pub(super) fn leads_until(&self) -> Instant {
        self.sent + (LEADS_FOR - LEADS_FOR / DRIFT)
    }
}

/// The last write that was applied, and those behind it whose outcome is unknown; oldest first.
#[derive(Debug, Default)]
pub(super) struct Written(VecDeque<Own>);

impl Written {
    /// A write is about to be sent.
    pub(super) fn add(&mut self, own: Own) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(own);
    }

    /// `own` was applied. No earlier one can be, because each names the version before it.
    pub(super) fn confirm(&mut self, own: Own) {
        self.0.clear();
        self.0.push_back(own);
    }

    /// The write of `version` was not applied, or is not in the row any more.
    pub(super) fn forget(&mut self, version: &LockVersion) {
        self.0.retain(|own| own.version != *version);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The write of `version`.
    pub(super) fn find(&self, version: &LockVersion) -> Option<Own> {
        self.0.iter().find(|own| own.version == *version).cloned()
    }

    /// The latest one.
    pub(super) fn last(&self) -> Option<&Own> {
        self.0.back()
    }
}
