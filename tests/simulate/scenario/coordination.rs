//! Pure: by which rule the workers of a run share the shards.

use serde::{Deserialize, Serialize};

/// The rule. By default that of KCL 2.x, as in all runs that were written down before there was a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Coordination {
    #[default]
    Kcl2,
    /// The rule that the table says; that of KCL 3.x in a new one.
    Auto,
}

impl From<Coordination> for kcl::Coordination {
    fn from(coordination: Coordination) -> Self {
        match coordination {
            Coordination::Kcl2 => Self::Kcl2,
            Coordination::Auto => Self::Auto,
        }
    }
}
