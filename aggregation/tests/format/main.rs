//! The format seen from outside: published vectors, captures of a real KPL, prost as a second opinion, and what a reader
//! meets in the wild.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy takes the helpers of a test for production code"
)]

mod edge_cases;
mod golden;
mod oracle;
mod properties;
mod vectors;

/// Reads hexadecimal digits.
fn unhex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
