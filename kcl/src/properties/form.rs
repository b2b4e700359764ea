//! Pure: the forms that the values of KCL options have.

use super::FaultKind;

/// Why a file that asks for enhanced fan-out is refused.
const NO_FAN_OUT: &str = "enhanced fan-out is not there yet; retrievalMode = POLLING reads the same records, within the 2 MiB/s \
                          of a shard that all polling applications share";

/// What a value has to look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Boolean,
    /// A whole number from the first to the second, or 0, which counts as left out.
    Number(i64, i64),
    /// A whole number from the first to the second.
    Exactly(i64, i64),
    /// A number, whole or not.
    Decimal,
    /// One of these words, in upper or lower case.
    OneOf(&'static [&'static str], &'static str),
    /// Names of dimensions, with commas between them.
    Dimensions,
    /// How shards are read.
    RetrievalMode,
    Text,
}

impl Form {
    /// Checks a value. Returns its number, 1 for `true`, the place of a word among the allowed ones, and 0 for what is none of
    /// these; nothing for a number that counts as left out.
    pub(super) fn read(self, value: &str) -> Result<Option<u64>, FaultKind> {
        match self {
            Self::Boolean if value.eq_ignore_ascii_case("true") => Ok(Some(1)),
            Self::Boolean if value.eq_ignore_ascii_case("false") => Ok(Some(0)),
            Self::Boolean => Err(malformed(value, "true or false")),
            Self::Number(..) if value.parse() == Ok(0) => Ok(None),
            Self::Number(min, max) | Self::Exactly(min, max) => integer(value, min, max).map(Some),
            Self::Decimal if value.parse().is_ok_and(f64::is_finite) => Ok(Some(0)),
            Self::Decimal => Err(malformed(value, "a number")),
            Self::OneOf(words, expected) => match place(words, value) {
                Some(place) => Ok(Some(place)),
                None => Err(malformed(value, expected)),
            },
            Self::Dimensions => dimensions(value).map(Some),
            Self::RetrievalMode => retrieval_mode(value),
            Self::Text => Ok(Some(0)),
        }
    }
}

/// `DEFAULT` is fan-out there too, unless the file has an option of polling.
fn retrieval_mode(value: &str) -> Result<Option<u64>, FaultKind> {
    match place(&["POLLING", "DEFAULT", "FANOUT"], value) {
        Some(2) => Err(FaultKind::Unsupported {
            value: value.to_owned(),
            reason: NO_FAN_OUT,
        }),
        Some(place) => Ok(Some(place)),
        None => Err(malformed(value, "DEFAULT, POLLING or FANOUT")),
    }
}

/// 0 without dimensions of workers and shards, 1 with that of workers, 2 with that of shards.
fn dimensions(value: &str) -> Result<u64, FaultKind> {
    let mut finest = 0;
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        finest = match name {
            "Operation" => finest,
            "WorkerIdentifier" => finest.max(1),
            "ShardId" | "StreamId" | "ALL" => 2,
            _ => {
                return Err(malformed(
                    value,
                    "ALL, or some of Operation, ShardId and WorkerIdentifier with commas between",
                ));
            }
        };
    }
    Ok(finest)
}

fn place(words: &[&str], value: &str) -> Option<u64> {
    let found = (0..).zip(words).find(|(_, word)| word.eq_ignore_ascii_case(value));
    found.map(|(place, _)| place)
}

fn integer(value: &str, min: i64, max: i64) -> Result<u64, FaultKind> {
    let number: i64 = value.parse().map_err(|_| malformed(value, "a whole number"))?;
    let out_of_range = FaultKind::OutOfRange {
        value: number,
        min,
        max,
    };
    if !(min..=max).contains(&number) {
        return Err(out_of_range);
    }
    u64::try_from(number).map_err(|_| out_of_range)
}

fn malformed(value: &str, expected: &'static str) -> FaultKind {
    FaultKind::Malformed {
        value: value.to_owned(),
        expected,
    }
}
