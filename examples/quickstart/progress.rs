//! Progress bars, if stderr is a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::ledger::Ledger;

/// What was put, in bytes of the file, and what was read back, in records. Clones show the same bars.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bars: MultiProgress,
    put: ProgressBar,
    read: ProgressBar,
}

impl Progress {
    /// Two bars, to `bytes_total` bytes and to as many records as are acknowledged.
    pub(crate) fn new(bytes_total: u64) -> Self {
        let bars = MultiProgress::new();
        let bar = |len, template| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.add(ProgressBar::new(len).with_style(style))
        };
        Self {
            put: bar(bytes_total, "put  {wide_bar} {bytes:>12} of {total_bytes:<12}"),
            read: bar(0, "read {wide_bar} {pos:>12} of {len:<12}"),
            bars,
        }
    }

    pub(crate) fn put(&self, bytes: u64) {
        self.put.set_position(bytes);
    }

    pub(crate) fn read(&self, ledger: &Ledger) {
        self.read.set_length(ledger.acknowledged());
        self.read.set_position(ledger.found());
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        // A terminal that cannot be written is no reason to fail.
        _ = self.bars.clear();
    }
}
