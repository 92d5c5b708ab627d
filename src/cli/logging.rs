//! Log lines on stderr, as logfmt or JSON.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_logfmt::{EventsFormatter, FieldsFormatter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{LogArgs, LogFormat, LogLevel};
use crate::presence::escape_text;

/// Writes log lines without control characters and bidi marks, because their fields may hold text of a server.
struct CleanLines<W>(W);

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
    let stderr = || CleanLines(io::stderr());
    let lines = match args.format {
        LogFormat::Logfmt => tracing_subscriber::fmt::layer()
            .event_format(EventsFormatter::default())
            .fmt_fields(FieldsFormatter::default())
            .with_writer(stderr)
            .boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    // An error means that a subscriber is set already.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

// === impl CleanLines ===

/// The layer writes each event at once, with a line break at its end.
impl<W: Write> Write for CleanLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        self.0.write_all(format!("{}{end}", escape_text(line)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::{subscriber, warn};

    use super::*;
    use crate::cli::fixture::Buffer;

    #[test]
    fn log_lines_have_no_control_or_bidi_characters() {
        let hostile = "two\nlines\r\t \u{1b}[31mred \u{9b}2J \u{202e}desrever \u{2028} \u{0}";
        for is_json in [false, true] {
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let writer = move || CleanLines(writer.clone());
            let layer = if is_json {
                tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
            } else {
                tracing_subscriber::fmt::layer()
                    .event_format(EventsFormatter::default())
                    .fmt_fields(FieldsFormatter::default())
                    .with_writer(writer)
                    .boxed()
            };
            subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                warn!(name = hostile, other = ?hostile, "{hostile}");
            });
            let written = buffer.text();
            let line = written.strip_suffix('\n').unwrap();
            assert_eq!(escape_text(line), line, "{line:?}");
            assert!(line.contains("desrever"), "{line}");
        }
    }
}
