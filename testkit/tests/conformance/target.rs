//! The services that the rows are tried on.

use std::time::Duration;

/// A service that the rows are tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Our service in virtual time.
    Sim,
    /// Our service over sockets, in real time.
    Sandbox,
    /// An independent emulator.
    KinesisMock,
    /// The service itself.
    Aws,
}

impl Target {
    /// How long to wait before asking again for a stream's state; within the rate of DescribeStreamSummary.
    pub(crate) const fn pause(self) -> Duration {
        match self {
            Self::Sim | Self::KinesisMock => Duration::from_millis(100),
            Self::Sandbox => Duration::from_millis(50),
            Self::Aws => Duration::from_secs(2),
        }
    }

    /// How long it may take until a record that was put can be read.
    pub(crate) const fn propagation(self) -> Duration {
        match self {
            Self::Sim | Self::Sandbox | Self::KinesisMock => Duration::ZERO,
            Self::Aws => Duration::from_secs(2),
        }
    }

    /// How far apart moments must be so that this clock and the service's tell them apart.
    pub(crate) const fn spread(self) -> Duration {
        match self {
            Self::Sim | Self::Sandbox => Duration::from_millis(20),
            // It has moments in seconds.
            Self::KinesisMock => Duration::from_millis(1_100),
            Self::Aws => Duration::from_secs(5),
        }
    }

    /// How long a row may take.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            // Virtual, and more than the longest retention of a row.
            Self::Sim => Duration::from_secs(30 * 24 * 3600),
            Self::Sandbox | Self::KinesisMock => Duration::from_secs(60),
            Self::Aws => Duration::from_secs(900),
        }
    }
}
