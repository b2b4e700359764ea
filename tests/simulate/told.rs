//! What the libraries say in their logs, where nothing else shows it.

use std::cell::RefCell;
use std::fmt;

use testkit::oracle::{Fact, FleetFact, Witness};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest, set_default};
use tracing::{Event, Metadata, Subscriber};

/// How a worker says that its stream was deleted and created again: of a shard that it reads, and of leases that it does
/// not take.
const CREATED_AGAIN: [&str; 3] = [
    "stream was created again",
    "stream created again, or the table is another stream's",
    "leases not taken",
];

thread_local! {
    static WITNESS: RefCell<Option<Witness>> = const { RefCell::new(None) };
}

/// Lets the witness hear what is said on this thread, as long as the guard lives.
pub(crate) fn listen(witness: &Witness) -> Listening {
    WITNESS.set(Some(witness.clone()));
    Listening {
        _guard: set_default(Listener),
    }
}

/// Ends the listening when it is dropped.
pub(crate) struct Listening {
    _guard: DefaultGuard,
}

impl Drop for Listening {
    fn drop(&mut self) {
        WITNESS.set(None);
    }
}

/// Reads the events of the consumer, and nothing else.
struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("kcl")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::Other;
        event.record(&mut message);
        match message {
            Message::CreatedAgain => {
                if let Some(witness) = WITNESS.with_borrow(Clone::clone) {
                    witness.tell(Fact::Fleet(FleetFact::RecreationTold));
                }
            }
            Message::Other => {}
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// What an event says.
enum Message {
    CreatedAgain,
    Other,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" && CREATED_AGAIN.contains(&format!("{value:?}").as_str()) {
            *self = Self::CreatedAgain;
        }
    }
}
