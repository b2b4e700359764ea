//! What events write to the log, for their tests.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::{Subscriber, span};

use super::{Event, Severity};
use crate::lease::layout::TableLayout;
use crate::lease::model::{LeaseKey, WorkerId};
use crate::stream::{ShardId, StreamRef};

thread_local! {
    /// What was written on this thread: each test has a thread of its own.
    static WRITTEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Writes the events of this crate to [`WRITTEN`]: level, text, then the fields in their order.
///
/// All fields that are texts look alike in the log, in quotes: numbers and durations alone have none.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("kcl::event")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let line = format!("{} {:?}{}", event.metadata().level(), line.message, line.fields);
        WRITTEN.with_borrow_mut(|written| written.push(line));
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn add(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.fields, " {}={value:?}", field.name()).unwrap();
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }

    /// The message, numbers and durations; and each text that is written by `%` or `?`, which gets no quotes.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
            return;
        }
        let is_number = text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains([' ', ':']);
        assert!(is_number, "{field} is a text without quotes: {text}");
        self.add(field, value);
    }
}

/// The lines that `tell` writes to the log on this thread.
///
/// The subscriber is that of the whole process. With one for each thread, whether a line is wanted would be remembered as it
/// was on the thread that came to it first.
pub(crate) fn logged(tell: impl FnOnce()) -> Vec<String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Lines).unwrap());
    WRITTEN.take();
    tell();
    WRITTEN.take()
}

/// The lease of shard 7.
pub(super) fn lease() -> LeaseKey {
    let (stream, shard) = (StreamRef::parse("orders"), ShardId::new("shardId-7"));
    TableLayout::OneStream(stream.clone()).rows_of(&stream).key_of(&shard)
}

/// The one line that `event` writes to the log, which has the level of its severity.
pub(super) fn line(event: &Event) -> String {
    let mut lines = logged(|| event.log(&WorkerId::new("w1")));
    assert_eq!(lines.len(), 1, "{event:?}: {lines:?}");
    let line = lines.remove(0);
    let level = match event.severity() {
        Severity::Debug => "DEBUG",
        Severity::Info => "INFO",
        Severity::Warn => "WARN",
        Severity::Error => "ERROR",
    };
    assert!(line.starts_with(level), "{level}: {line}");
    line
}
