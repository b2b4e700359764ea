//! What the search for leases tells the audit of the same worker.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::auditor::AuditTurn;
use crate::error::TableError;

/// The end of the search for leases.
#[derive(Debug)]
pub(crate) struct AuditSignals {
    turn: watch::Sender<AuditTurn>,
    table_is_gone: Arc<Notify>,
}

/// The end of the audit.
#[derive(Debug, Clone)]
pub(crate) struct AuditInbox {
    pub(crate) turn: watch::Receiver<AuditTurn>,
    /// Is told when there is no lease table.
    pub(crate) table_is_gone: Arc<Notify>,
}

impl AuditSignals {
    /// The two ends.
    pub(crate) fn new() -> (Self, AuditInbox) {
        let table_is_gone = Arc::new(Notify::new());
        let (sender, turn) = watch::channel(AuditTurn::ALONE);
        let inbox = AuditInbox {
            turn,
            table_is_gone: Arc::clone(&table_is_gone),
        };
        let signals = Self {
            turn: sender,
            table_is_gone,
        };
        (signals, inbox)
    }

    /// Tells this worker's place among those that audit in turn.
    pub(crate) fn takes_turn(&self, turn: AuditTurn) {
        self.turn.send_replace(turn);
    }

    /// Tells that a scan failed because there is no table. Other errors are not told.
    pub(crate) fn scan_failed(&self, error: &TableError) {
        if error.kind().is_not_found() {
            self.table_is_gone.notify_one();
        }
    }
}
