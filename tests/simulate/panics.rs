//! Counts the panics of each thread, whoever catches them.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

static COUNTING: Once = Once::new();

/// Begins to count the panics of this thread from zero.
pub(crate) fn reset() {
    COUNTING.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            tell(panic);
        }));
    });
    PANICS.set(0);
}

/// The panics of this thread since the [`reset`].
pub(crate) fn of_thread() -> u64 {
    PANICS.get()
}
