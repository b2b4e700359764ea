//! How often something was looked at for each shard, for the tests of what may not grow with the number of shards.

use std::cell::Cell;

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

/// Something of one shard was looked at on this thread.
pub(crate) fn note() {
    LOOKS.set(LOOKS.get() + 1);
}

/// How often that was so since the last call.
#[cfg(not(feature = "_loom"))]
pub(crate) fn take() -> usize {
    LOOKS.take()
}
