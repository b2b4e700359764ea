//! Rounds in a row.
