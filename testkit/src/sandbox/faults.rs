//! Pure: faults that wait for their calls.

use crate::dispatch::Service;
use crate::sim::Fault;

/// How many rules may wait at once. Our choice.
const MAX_RULES: usize = 1_000;

/// A fault, and the calls that meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultRule {
    /// The service called.
    pub service: Service,
    /// The operation called; `None` for all.
    pub operation: Option<String>,
    /// How many calls are still to meet it.
    pub times: u32,
    /// What they meet.
    pub fault: Fault,
}

impl FaultRule {
    /// A fault for the next call of `service`.
    pub fn new(service: Service, fault: Fault) -> Self {
        Self {
            service,
            operation: None,
            times: 1,
            fault,
        }
    }

    /// Only for calls of this operation, for instance `PutRecords`.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// For so many calls. Default: 1. A rule for no calls changes nothing.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, service: Service, operation: &str) -> bool {
        self.service == service && self.operation.as_deref().is_none_or(|wanted| wanted == operation)
    }
}

/// Faults that wait for their calls. A call meets the oldest rule that fits it, and uses it up by one.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<FaultRule>,
}

/// Tells that too many rules wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_RULES} rules wait already")]
pub struct TooManyFaults;

impl Faults {
    /// Adds a rule behind the others.
    ///
    /// # Errors
    ///
    /// If 1,000 rules wait already.
    pub fn push(&mut self, rule: FaultRule) -> Result<(), TooManyFaults> {
        if self.rules.len() >= MAX_RULES {
            return Err(TooManyFaults);
        }
        if rule.times > 0 {
            self.rules.push(rule);
        }
        Ok(())
    }

    /// No more faults.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// What waits, the oldest first.
    pub fn rules(&self) -> &[FaultRule] {
        &self.rules
    }

    /// The fault of a call.
    pub(super) fn meet(&mut self, service: Service, operation: &str) -> Fault {
        let fitting = self.rules.iter_mut().find(|rule| rule.matches(service, operation));
        let Some(rule) = fitting else { return Fault::None };
        rule.times -= 1;
        let fault = rule.fault.clone();
        self.rules.retain(|rule| rule.times > 0);
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_up_by_the_calls_that_it_fits() {
        let mut faults = Faults::default();
        let rule = FaultRule::new(Service::Kinesis, Fault::throttled()).operation("PutRecords");
        faults.push(rule.times(2)).unwrap();
        assert_eq!(faults.meet(Service::Kinesis, "PutRecord"), Fault::None);
        assert_eq!(faults.meet(Service::DynamoDb, "PutRecords"), Fault::None);
        for fault in [Fault::throttled(), Fault::throttled(), Fault::None] {
            assert_eq!(faults.meet(Service::Kinesis, "PutRecords"), fault);
        }
        assert_eq!(faults.rules(), []);
    }

    #[test]
    fn the_oldest_rule_comes_first_and_one_without_an_operation_fits_all() {
        let mut faults = Faults::default();
        faults
            .push(FaultRule::new(Service::Kinesis, Fault::RequestLost))
            .unwrap();
        let later = FaultRule::new(Service::Kinesis, Fault::ReplyLost).operation("GetRecords");
        faults.push(later).unwrap();
        for fault in [Fault::RequestLost, Fault::ReplyLost] {
            assert_eq!(faults.meet(Service::Kinesis, "GetRecords"), fault);
        }
    }

    #[test]
    fn no_more_rules_wait_than_there_may() {
        let mut faults = Faults::default();
        let rule = FaultRule::new(Service::Kinesis, Fault::RequestLost);
        faults.push(rule.clone().times(0)).unwrap();
        assert_eq!(faults.rules(), []);
        for _ in 0..MAX_RULES {
            faults.push(rule.clone()).unwrap();
        }
        assert_eq!(faults.push(rule), Err(TooManyFaults));
        faults.clear();
        assert_eq!(faults.rules(), []);
    }
}
