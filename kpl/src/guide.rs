//! Beyond the single call: where to start from the KPL, what to tune, and which permissions are needed.

#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}

#[doc = include_str!("../TUNING.md")]
pub mod tuning {}

#[doc = include_str!("../PERMISSIONS.md")]
pub mod permissions {}
