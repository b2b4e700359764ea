//! What a service makes of a call that meets a fault.

use std::time::SystemTime;

use http::StatusCode;

use super::partial_failure::Split;
use super::{Received, Refusal, Reply, Service, Services};
use crate::sim::{Entries, Fault};

impl Services {
    /// Applies and answers a call as its fault lets it; `None` if the call never arrives.
    ///
    /// Delays, and what becomes of the reply, are left to the front.
    pub(crate) fn call_under(&self, fault: &Fault, call: &Received, now: SystemTime) -> Option<Reply> {
        match fault {
            Fault::RequestLost | Fault::RequestHangs => None,
            Fault::Error { status, code, message } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Some(self.refuse(call.protocol, Refusal::new(status, code, message), now))
            }
            Fault::FailEntries { entries, code } => Some(self.call_partly(call, entries, code, now)),
            Fault::Intercepted { status, largest } if call.body.len() > *largest => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN);
                Some(Reply::of_proxy(status, now))
            }
            Fault::Intercepted { .. }
            | Fault::None
            | Fault::Delay(_)
            | Fault::Duplicated(_)
            | Fault::ReplyLost
            | Fault::ReplyHangs => Some(self.call(call.target(), &call.body, now)),
        }
    }

    fn call_partly(&self, call: &Received, entries: &Entries, code: &str, now: SystemTime) -> Reply {
        let is_put_records = (call.service, call.operation.as_str()) == (Service::Kinesis, "PutRecords");
        let split = is_put_records.then(|| Split::new(&call.body, entries)).flatten();
        let Some(split) = split else {
            return self.call(call.target(), &call.body, now);
        };
        let answer = match split.remaining() {
            Some(body) => self.answer(call.target(), &body, now).map(Some),
            None => Ok(None),
        };
        match answer {
            Ok(answer) => self.reply(call.target(), split.merge(answer.as_deref(), code), now),
            Err(refusal) => self.refuse(call.protocol, refusal, now),
        }
    }
}
