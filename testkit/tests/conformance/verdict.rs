//! What a row finds: nothing, or what it wanted and what came instead.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};

use aws_sdk_kinesis::error::ProvideErrorMetadata;

/// The end of a row.
pub(crate) type Verdict = Result<(), Mismatch>;

/// What was wanted, and what came instead.
#[derive(Debug)]
pub(crate) struct Mismatch(String);

impl Mismatch {
    pub(crate) fn new(wanted: impl Display, came: impl Debug) -> Self {
        Self(format!("wanted {wanted}, came {came:?}"))
    }

    /// A row that panicked, or did not come to its end.
    pub(crate) fn broken(how: impl Display) -> Self {
        Self(how.to_string())
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error + 'static> From<E> for Mismatch {
    /// A call that a row only needs has failed.
    fn from(error: E) -> Self {
        let mut text = format!("wanted an answer, came {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self(text)
    }
}

/// A violated constraint. The API reference names the second, while the service checks what its model declares before
/// anything else and answers the first; clients treat them alike.
pub(crate) const BAD_ARGUMENT: &[&str] = &["ValidationException", "InvalidArgumentException"];

pub(crate) const INVALID: &[&str] = &["InvalidArgumentException"];
pub(crate) const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
pub(crate) const IN_USE: &[&str] = &["ResourceInUseException"];
pub(crate) const TOO_MANY: &[&str] = &["LimitExceededException"];
pub(crate) const THROTTLED: &[&str] = &["ProvisionedThroughputExceededException"];

/// Wants an error with one of these codes.
pub(crate) fn refused<T: Debug, E: ProvideErrorMetadata>(came: Result<T, E>, codes: &[&str]) -> Verdict {
    let wanted = codes.join(" or ");
    match came {
        Ok(answer) => Err(Mismatch::new(wanted, answer)),
        Err(error) if error.code().is_some_and(|code| codes.contains(&code)) => Ok(()),
        Err(error) => Err(Mismatch::new(wanted, (error.code(), error.message()))),
    }
}

/// Wants this very value.
pub(crate) fn equal<T: Debug + PartialEq>(what: &str, came: T, wanted: T) -> Verdict {
    if came == wanted {
        return Ok(());
    }
    Err(Mismatch::new(format_args!("{what} {wanted:?}"), came))
}

/// Wants something that `fits`.
pub(crate) fn want<T: Debug>(wanted: &str, came: T, fits: impl FnOnce(&T) -> bool) -> Verdict {
    if fits(&came) {
        return Ok(());
    }
    Err(Mismatch::new(wanted, came))
}

/// Takes what must be there.
pub(crate) fn some<T>(what: &str, came: Option<T>) -> Result<T, Mismatch> {
    came.ok_or_else(|| Mismatch::new(what, "nothing"))
}
