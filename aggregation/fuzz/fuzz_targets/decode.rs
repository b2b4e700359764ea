//! Decodes arbitrary data, as they are and as the message of an aggregate, and compares with prost's derived decoder.
//!
//! ```text
//! cargo +nightly fuzz run decode -- -max_total_time=60
//! ```

#![no_main]

use aggregation::{Decoded, Encoder, UserRecordRef};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/format/oracle.rs"]
mod oracle;

fuzz_target!(|data: &[u8]| {
    for data in [Bytes::copy_from_slice(data), oracle::frame(data)] {
        if let Decoded::Aggregate(aggregate) = oracle::assert_agreement(&data) {
            let mut encoder = Encoder::new();
            for record in aggregate.records() {
                let foretold = encoder.size_with(&UserRecordRef::from(&record));
                encoder.append(&UserRecordRef::from(&record));
                assert_eq!(encoder.size(), foretold);
            }
            let size = encoder.size();
            assert_eq!(encoder.seal().map_or(0, |sealed| sealed.data.len()), size);
        }
    }
});
