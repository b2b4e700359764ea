//! Pure: which worker leads, by the lock in the lease table.
