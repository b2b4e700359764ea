//! Failed calls as one type with one classification. No error of the SDK passes this file.

use std::error::Error;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::CallClass;

/// The code of a call that got no answer in time.
const TIMEOUT: &str = "Timeout";

/// The header in which the service names a request.
const REQUEST_ID: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// A call that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CallError {
    /// The service's error code. An answer that has none: `HTTP 403`, after its status. A failure without an answer:
    /// `Timeout`, `Connection`, `RequestNotBuilt`, `UnreadableResponse`, `UnknownError`.
    pub code: String,
    /// The service's words, or the error with its causes.
    pub message: String,
    /// What the service calls the request, if it answered.
    pub request_id: Option<Arc<str>>,
    /// What kind of failure this is.
    pub class: CallClass,
    /// Whether the service may have acted on the call all the same.
    pub effect: Effect,
}

/// Whether a call that failed may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It certainly has not.
    None,
    /// It may have.
    Possible,
}

impl CallError {
    /// Reads an error of the SDK.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let failure = |code: &str, class: CallClass| Self {
            code: code.to_owned(),
            message: chain(error),
            request_id: None,
            class,
            effect: class.effect(),
        };
        match error {
            SdkError::ServiceError(service) => {
                let words = (service.err().code(), service.err().message());
                Self::answered(words, service.raw())
            }
            // A page of a proxy is no error that the SDK can read.
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                Self::answered((None, None), response.raw())
            }
            SdkError::TimeoutError(_) => failure(TIMEOUT, CallClass::Unanswered),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if lacks_credentials(error) => {
                failure("RequestNotBuilt", CallClass::Credentials)
            }
            SdkError::DispatchFailure(_) if was_never_connected(error) => failure("Connection", CallClass::Transient),
            // A connection that was made may have ended before the answer.
            SdkError::DispatchFailure(_) => failure("Connection", CallClass::Unanswered),
            SdkError::ConstructionFailure(_) => failure("RequestNotBuilt", CallClass::Transient),
            SdkError::ResponseError(response) => Self {
                request_id: request_id(response.raw()),
                ..failure("UnreadableResponse", CallClass::Unanswered)
            },
            _ => failure("UnknownError", CallClass::Unanswered),
        }
    }

    /// A call that got no answer in time; `message` says in which.
    pub fn timed_out(message: String) -> Self {
        Self {
            code: TIMEOUT.to_owned(),
            message,
            request_id: None,
            class: CallClass::Unanswered,
            effect: Effect::Possible,
        }
    }

    /// Only an answer that names its request is certainly the service's. A proxy may answer a call on which the service has
    /// acted, with a code of its own or with one of the service's.
    ///
    /// The code and the message come first, where there are any. A call that is too large was refused before it was read to its end, so nobody has acted on it.
    fn answered((code, message): (Option<&str>, Option<&str>), response: &HttpResponse) -> Self {
        let status = response.status().as_u16();
        let request_id = request_id(response);
        let class = CallClass::of_answer(status, code);
        let message = match (code, message) {
            (None, None | Some("")) => "an answer without an error code, perhaps of a proxy",
            (_, message) => message.unwrap_or_default(),
        };
        let may_have_been_acted_on = status >= 500 || request_id.is_none() && class != CallClass::TooLarge;
        Self {
            code: code.map_or_else(|| format!("HTTP {status}"), str::to_owned),
            message: message.to_owned(),
            effect: if may_have_been_acted_on {
                Effect::Possible
            } else {
                class.effect()
            },
            request_id,
            class,
        }
    }
}

fn request_id(response: &HttpResponse) -> Option<Arc<str>> {
    let headers = response.headers();
    REQUEST_ID.iter().find_map(|name| headers.get(*name)).map(Into::into)
}

/// Whether nobody could sign the request.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

/// Whether there was no connection on which the request could have been sent: no address, nobody who listens, or nobody
/// to be trusted. Another HTTP client than the SDK's own may not tell.
fn was_never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut of_client = causes(error).filter_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>());
    of_client.any(hyper_util::client::legacy::Error::is_connect)
}

/// The error and its causes, in turn.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The texts of an error and of its causes, one behind the other. The SDK's own errors name their layer only.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use aws_smithy_types::retry::ErrorKind;

    use super::*;

    type Failed = SdkError<ErrorMetadata, HttpResponse>;

    fn refused(status: u16, code: &str) -> Failed {
        answered(status, code, Some("x-amzn-requestid"))
    }

    /// An answer with an error. The request is named in the header `id`.
    fn answered(status: u16, code: &str, id: Option<&'static str>) -> Failed {
        let metadata = ErrorMetadata::builder().code(code).message("no").build();
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        if let Some(id) = id {
            response.headers_mut().insert(id, "request-7");
        }
        SdkError::service_error(metadata, response)
    }

    #[test]
    fn a_refusal_keeps_code_message_and_request_id_and_has_no_effect() {
        let error = CallError::of(&refused(400, "ThrottlingException"));
        assert_eq!(error.to_string(), "ThrottlingException: no");
        assert_eq!(error.request_id.as_deref(), Some("request-7"));
        assert_eq!((error.class, error.effect), (CallClass::Throttled, Effect::None));
    }

    #[test]
    fn a_call_that_failed_inside_the_service_may_have_taken_effect() {
        for (code, class) in [
            ("InternalFailure", CallClass::Unanswered),
            ("NeverSeenException", CallClass::Unanswered),
            ("ThrottlingException", CallClass::Throttled),
        ] {
            let error = CallError::of(&refused(503, code));
            assert_eq!((error.class, error.effect), (class, Effect::Possible), "{code}");
        }
    }

    #[test]
    fn a_refusal_with_a_code_that_is_not_known_may_have_taken_effect() {
        for code in ["NeverSeenException", "RequestTimeout", ""] {
            let unknown = CallError::of(&refused(400, code));
            assert_eq!(
                (unknown.class, unknown.effect),
                (CallClass::Unanswered, Effect::Possible),
                "{code}"
            );
        }
    }

    #[test]
    fn a_refusal_that_names_no_request_keeps_its_class_and_may_have_taken_effect() {
        let named = CallError::of(&answered(400, "ThrottlingException", Some("x-amz-request-id")));
        assert_eq!((named.class, named.effect), (CallClass::Throttled, Effect::None));
        let unnamed = CallError::of(&answered(400, "ThrottlingException", None));
        assert_eq!(
            (unnamed.class, unnamed.effect),
            (CallClass::Throttled, Effect::Possible)
        );
    }

    #[test]
    fn a_refusal_without_a_code_is_named_after_its_status() {
        let response = |status: u16| HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let without_code = |status| Failed::service_error(ErrorMetadata::builder().build(), response(status));
        let page = |status| Failed::response_error("no JSON", response(status));
        for answered in [&without_code as &dyn Fn(u16) -> Failed, &page] {
            let forbidden = CallError::of(&answered(403));
            assert_eq!(
                (&*forbidden.code, forbidden.class),
                ("HTTP 403", CallClass::Intercepted)
            );
            assert_eq!(forbidden.effect, Effect::Possible);
            assert!(forbidden.message.contains("proxy"), "{forbidden}");
            let large = CallError::of(&answered(413));
            assert_eq!((&*large.code, large.class), ("HTTP 413", CallClass::TooLarge));
            assert_eq!(large.effect, Effect::None);
            let broken = CallError::of(&answered(502));
            assert_eq!((&*broken.code, broken.class), ("HTTP 502", CallClass::Unanswered));
        }
        let unreadable = CallError::of(&page(200));
        assert_eq!(
            (&*unreadable.code, unreadable.class),
            ("UnreadableResponse", CallClass::Unanswered)
        );
    }

    #[test]
    fn a_request_that_nobody_could_sign_waits_for_credentials() {
        let lacking = CredentialsError::not_loaded("nobody is logged in");
        let error = ConnectorError::other(lacking.into(), None);
        let error = CallError::of(&Failed::dispatch_failure(error));
        assert_eq!((&*error.code, error.class), ("RequestNotBuilt", CallClass::Credentials));
        assert!(error.message.contains("nobody is logged in"), "{error}");
        assert_eq!(error.effect, Effect::None);
    }

    #[test]
    fn a_broken_connection_and_a_timeout_leave_open_whether_the_call_took_effect() {
        let broken = ConnectorError::other("incomplete message".into(), Some(ErrorKind::TransientError));
        for (error, code) in [
            (Failed::dispatch_failure(broken), "Connection"),
            (Failed::timeout_error("late"), TIMEOUT),
        ] {
            let error = CallError::of(&error);
            assert_eq!((&*error.code, error.class), (code, CallClass::Unanswered));
            assert_eq!(error.effect, Effect::Possible);
        }
    }
}
