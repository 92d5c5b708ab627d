//! Captures the log of the whole process, because lines come from threads that no test knows.

use std::fmt;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static LINES: Mutex<Vec<LogLine>> = Mutex::new(Vec::new());

/// A position in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPosition(usize);

/// A line of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) message: String,
    fields: Vec<(&'static str, String)>,
}

struct CaptureLayer;

/// Captures lines from now on, with the filter of `--log.level trace`.
pub(crate) fn capture() -> LogPosition {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let filter = Targets::new().with_default(LevelFilter::WARN).with_target("cxone_exporter", LevelFilter::TRACE);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(CaptureLayer.with_filter(filter)))
            .expect("no other subscriber is set");
    });
    LogPosition(LINES.lock().unwrap().len())
}

pub(crate) fn since(mark: LogPosition) -> Vec<LogLine> {
    LINES.lock().unwrap()[mark.0..].to_vec()
}

// === impl LogLine ===

impl LogLine {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_warning(&self) -> bool {
        self.level <= Level::WARN
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.message)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.fields.push((name, value.to_owned())),
        }
    }
}

impl<S: Subscriber> Layer<S> for CaptureLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = LogLine { level: *event.metadata().level(), message: String::new(), fields: Vec::new() };
        event.record(&mut line);
        LINES.lock().unwrap().push(line);
    }
}
