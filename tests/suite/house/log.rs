//! What is logged, caught for the whole process: lines come from threads that no test knows.

use std::fmt;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// A point in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(usize);

/// A line of the log.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    fields: Vec<(&'static str, String)>,
}

struct Catch;

/// Catches lines from now on. The filter is that of the command line at `--log.level trace`.
pub(crate) fn listen() -> Mark {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let filter = Targets::new().with_default(LevelFilter::WARN).with_target("cxone_exporter", LevelFilter::TRACE);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Catch.with_filter(filter)))
            .expect("nobody else listens");
    });
    Mark(LINES.lock().unwrap().len())
}

pub(crate) fn since(mark: Mark) -> Vec<Line> {
    LINES.lock().unwrap()[mark.0..].to_vec()
}

// === impl Line ===

impl Line {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_warning(&self) -> bool {
        self.level <= Level::WARN
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.message)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl Visit for Line {
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

impl<S: Subscriber> Layer<S> for Catch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line { level: *event.metadata().level(), message: String::new(), fields: Vec::new() };
        event.record(&mut line);
        LINES.lock().unwrap().push(line);
    }
}
