//! Log lines on stderr, as logfmt or JSON.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_logfmt::{EventsFormatter, FieldsFormatter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{LogArgs, LogFormat, LogLevel};

/// Starts logging. A second call, as in tests, changes nothing.
pub(super) fn start(args: &LogArgs) {
    let level = match args.level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    // Libraries log addresses, and at `trace` whole messages with tokens. Only their warnings and errors are logged.
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("cxone_exporter", level);
    let lines = match args.format {
        LogFormat::Logfmt => tracing_subscriber::fmt::layer()
            .event_format(EventsFormatter::default())
            .fmt_fields(FieldsFormatter::default())
            .with_writer(io::stderr)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    // An error means that a subscriber is set already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
