//! Pure: what becomes of the lease of a shard that was read to its end.

/// What the owner of such a lease does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedLeases {
    /// It keeps and renews it: workers of the KCL would otherwise take it, and run the end again.
    Kept,
    /// It gives it back: all workers are of this library, and none takes it.
    GivenBack,
}
