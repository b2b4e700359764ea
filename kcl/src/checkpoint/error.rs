//! Why a checkpoint failed.

use std::ops::RangeInclusive;

use crate::checkpoint::position::Position;
use crate::error::{CallErrorKind, TableError};

/// Why a checkpoint was not written, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// This worker no longer holds the lease: stop processing, another worker goes on from the last checkpoint that was written.
    /// It is not known whether this one was: its answer may have been lost before the lease was.
    #[error(
        "the lease was lost, and this checkpoint may not have been written: another worker goes on from the last one that was"
    )]
    LeaseLost,
    /// The lease table is over its limits. The checkpoint was tried several times, and one try may have been written although
    /// its answer was lost. It may be tried again; a later one makes up for it.
    #[error("it is not known whether the checkpoint was written: the lease table is throttled")]
    Throttled(#[source] TableError),
    /// The position lies behind the last checkpoint, or beyond the records that were delivered.
    #[error(
        "no checkpoint may be at {proposed}: what may be checkpointed now is {} to {}, from the last checkpoint to the last \
         record that was delivered",
        allowed.start(),
        allowed.end()
    )]
    IllegalPosition {
        /// The refused position.
        proposed: Position,
        /// What may be checkpointed now: from the last checkpoint to the last record that was delivered.
        allowed: RangeInclusive<Position>,
    },
    /// The lease table failed, and it is not known whether the checkpoint was written. It may be tried again; a later one makes
    /// up for it.
    #[error("it is not known whether the checkpoint was written: the lease table failed")]
    Table(#[source] TableError),
}

impl CheckpointError {
    /// Whether the lease table failed: neither the lease nor the position is to blame, and the same call may work later.
    pub(crate) fn is_of_the_table(&self) -> bool {
        match self {
            Self::Throttled(_) | Self::Table(_) => true,
            Self::LeaseLost | Self::IllegalPosition { .. } => false,
        }
    }
}

impl From<TableError> for CheckpointError {
    fn from(error: TableError) -> Self {
        match error.kind {
            CallErrorKind::Throttled { .. } => Self::Throttled(error),
            CallErrorKind::NotFound
            | CallErrorKind::Denied { .. }
            | CallErrorKind::Iterator { .. }
            | CallErrorKind::Rejected { .. }
            | CallErrorKind::Transient { .. }
            | CallErrorKind::Credentials { .. }
            | CallErrorKind::Encryption { .. }
            | CallErrorKind::Unavailable { .. }
            | CallErrorKind::Unreadable { .. } => Self::Table(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_table_is_an_error_of_its_own() {
        let error = |kind| {
            CheckpointError::from(TableError {
                operation: "UpdateItem",
                kind,
            })
        };
        let (throttled, missing) = (
            error(CallErrorKind::Throttled {
                code: "LimitExceeded".into(),
            }),
            error(CallErrorKind::NotFound),
        );
        assert!(matches!(throttled, CheckpointError::Throttled(_)), "{throttled:?}");
        assert!(matches!(missing, CheckpointError::Table(_)), "{missing:?}");
        assert!(throttled.is_of_the_table() && missing.is_of_the_table());
    }

    #[test]
    fn an_illegal_position_is_told_with_what_is_allowed() {
        let error = CheckpointError::IllegalPosition {
            proposed: Position::from_row("9", 2).unwrap(),
            allowed: Position::TrimHorizon..=Position::from_row("7", 0).unwrap(),
        };
        assert_eq!(
            error.to_string(),
            "no checkpoint may be at 9:2: what may be checkpointed now is TRIM_HORIZON to 7, from the last checkpoint to the \
             last record that was delivered"
        );
    }
}
