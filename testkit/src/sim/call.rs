//! The calls of a simulation in canonical form, for tests to read and compare.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::dispatch::Service;

/// One call, noted when it was applied or when a fault decided that it never will be.
///
/// A call that its caller gave up on the way is not noted. The form has nothing random in it: two runs that behave alike
/// have equal logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// Counts the calls from zero in the order they were sent. The log itself is in the order they were applied.
    pub ordinal: u64,
    /// The virtual time since the simulation's start.
    pub at: Duration,
    /// The name given to [`Sim::client`](super::Sim::client).
    pub client: String,
    /// The service called.
    pub service: Service,
    /// The operation, for instance `PutRecords`.
    pub operation: String,
    /// What the service made of it.
    pub outcome: Outcome,
    /// The fault that disturbed it.
    pub fault: Option<&'static str>,
}

/// What a service made of a call, whether or not the caller learnt it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The call was applied and answered.
    Ok,
    /// The call was refused with this error code.
    Refused(String),
    /// The call never arrived.
    Lost,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ordinal,
            at,
            client,
            service,
            operation,
            outcome,
            fault,
        } = self;
        write!(
            f,
            "+{:.3}s #{ordinal} {client} {service}.{operation} ",
            at.as_secs_f64()
        )?;
        match outcome {
            Outcome::Ok => f.write_str("ok")?,
            Outcome::Refused(code) => f.write_str(code)?,
            Outcome::Lost => f.write_str("lost")?,
        }
        fault.map_or(Ok(()), |fault| write!(f, " ({fault})"))
    }
}

/// The latest calls; older ones make room for newer ones.
#[derive(Debug)]
pub(super) struct CallLog {
    calls: VecDeque<Call>,
    capacity: usize,
}

impl CallLog {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            calls: VecDeque::new(),
            capacity,
        }
    }

    pub(super) fn push(&mut self, call: Call) {
        self.calls.push_back(call);
        while self.calls.len() > self.capacity {
            self.calls.pop_front();
        }
    }

    pub(super) fn to_vec(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ordinal: u64) -> Call {
        Call {
            ordinal,
            at: Duration::from_millis(5_012),
            client: "worker-1".to_owned(),
            service: Service::DynamoDb,
            operation: "PutItem".to_owned(),
            outcome: Outcome::Refused("ConditionalCheckFailedException".to_owned()),
            fault: Some("reply lost"),
        }
    }

    #[test]
    fn a_call_reads_as_one_line() {
        let line = "+5.012s #3 worker-1 DynamoDB.PutItem ConditionalCheckFailedException (reply lost)";
        assert_eq!(call(3).to_string(), line);
    }

    #[test]
    fn a_full_log_forgets_the_oldest_call() {
        let mut log = CallLog::new(2);
        (0..3).for_each(|ordinal| log.push(call(ordinal)));
        let kept: Vec<u64> = log.to_vec().iter().map(|call| call.ordinal).collect();
        assert_eq!(kept, [1, 2]);
    }
}
