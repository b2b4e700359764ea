//! The README's code, compiled; the tests are the files beside this package's manifest.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
