//! Pure: whether requests leave one at a time, and whose turn it is then.

use crate::pipeline::messages::RequestId;

/// While something on the way refuses each request, one at a time tries whether it does so still.
#[derive(Debug, Default)]
pub(crate) enum Pace {
    #[default]
    Free,
    OneAtATime {
        /// The newest request since.
        newest: Option<RequestId>,
        turn: Turn,
    },
}

/// What a request is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A part of what was refused.
    Suspects,
    /// What waits in the queues.
    Others,
}

impl Pace {
    /// The next request leaves at once, and each later one after the answer to the one before it.
    pub(crate) fn slow_down(&mut self) {
        if let Self::Free = self {
            *self = Self::OneAtATime {
                newest: None,
                turn: Turn::Suspects,
            };
        }
    }

    /// Requests do not wait for each other.
    pub(crate) fn free(&mut self) {
        *self = Self::Free;
    }

    /// A request leaves. While one leaves at a time, parts of what was refused and others take turns: if none of the parts pass,
    /// others may.
    pub(crate) fn sent(&mut self, request: RequestId, sent: Turn) {
        if let Self::OneAtATime { newest, turn } = self {
            *newest = Some(request);
            *turn = match sent {
                Turn::Suspects => Turn::Others,
                Turn::Others => Turn::Suspects,
            };
        }
    }

    /// What leaves next, if there is any of it.
    pub(crate) fn turn(&self) -> Turn {
        match self {
            Self::Free => Turn::Suspects,
            Self::OneAtATime { turn, .. } => *turn,
        }
    }

    /// The request that has to end before the next one leaves, unless it has ended.
    pub(crate) fn waits_for(&self) -> Option<RequestId> {
        match self {
            Self::Free => None,
            Self::OneAtATime { newest, .. } => *newest,
        }
    }
}
