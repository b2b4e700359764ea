//! Pure: what became of an aggregate.
//!
//! In the order of its way: an `exchange` is an attempt of each aggregate in it; `classification` says what follows
//! from a failure, `grace` for how long a refusal may pass, `judgement` whether a stored aggregate is where consumers find it; `retries` has what waits for its next
//! attempt; `expiry` says when to look for records whose time is over, `losses` tells of records that fail unheard of, and
//! `outstanding` tells those who flush.

pub(super) mod classification;
pub(super) mod exchange;
pub(super) mod expiry;
pub(super) mod grace;
pub(super) mod judgement;
pub(super) mod losses;
pub(super) mod outstanding;
pub(super) mod retries;
