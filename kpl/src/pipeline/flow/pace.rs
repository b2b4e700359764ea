//! Pure: whether requests leave one at a time.

use crate::pipeline::messages::RequestId;

/// While something on the way refuses each request, one at a time tries whether it does so still.
#[derive(Debug, Default)]
pub(crate) enum Pace {
    #[default]
    Free,
    OneAtATime {
        /// The newest request since.
        newest: Option<RequestId>,
    },
}

impl Pace {
    /// The next request leaves at once, and each later one after the answer to the one before it.
    pub(crate) fn slow_down(&mut self) {
        if let Self::Free = self {
            *self = Self::OneAtATime { newest: None };
        }
    }

    /// Requests do not wait for each other.
    pub(crate) fn free(&mut self) {
        *self = Self::Free;
    }

    /// A request leaves.
    pub(crate) fn sent(&mut self, request: RequestId) {
        if let Self::OneAtATime { newest } = self {
            *newest = Some(request);
        }
    }

    /// The request that has to end before the next one leaves, unless it has ended.
    pub(crate) fn waits_for(&self) -> Option<RequestId> {
        match self {
            Self::Free => None,
            Self::OneAtATime { newest } => *newest,
        }
    }
}
