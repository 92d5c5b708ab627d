//! Where in the answer the reader is, so that an error can name the place instead of quoting what was there.

use serde::de::Error as _;

/// A place in the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// How many records were read in full.
    pub(super) records: usize,
    /// How many entries of the present record's states were read in full.
    pub(super) entries: usize,
    /// What is being read.
    pub(super) field: Field,
    /// It was read before, in the same object.
    twice: bool,
}

/// What there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Field {
    #[default]
    Response,
    Data,
    NextPageToken,
    Record,
    AgentId,
    StartTime,
    EndTime,
    States,
    Entry,
    State,
    Duration,
}

/// The documented fields of one object that were met so far.
#[derive(Debug, Default)]
pub(super) struct Met(u16);

// === impl Place ===

impl Place {
    /// Steps to a field of an object, where it may be once.
    #[inline]
    pub(super) fn enter<E: serde::de::Error>(&mut self, field: Field, met: &mut Met) -> Result<(), E> {
        self.field = field;
        let bit = 1 << field as u16;
        if met.0 & bit != 0 {
            return Err(self.meet_again());
        }
        met.0 |= bit;
        Ok(())
    }

    #[cold]
    fn meet_again<E: serde::de::Error>(&mut self) -> E {
        self.twice = true;
        E::custom("twice")
    }

    /// Puts an error about a value into words that name its place. One about JSON itself quotes nothing as it is.
    pub(super) fn explain(self, error: serde_json::Error) -> serde_json::Error {
        if !error.is_data() {
            return error;
        }
        let must = if self.twice { "be there only once" } else { self.field.expected() };
        let (path, line, column) = (self.path(), error.line(), error.column());
        serde_json::Error::custom(format_args!("{path} must {must} at line {line} column {column}"))
    }

    fn path(self) -> String {
        let Self { records, entries, .. } = self;
        match self.field {
            Field::Response => "the answer".to_owned(),
            Field::Data => "data".to_owned(),
            Field::NextPageToken => "nextPageToken".to_owned(),
            Field::Record => format!("data[{records}]"),
            Field::AgentId => format!("data[{records}].agentId"),
            Field::StartTime => format!("data[{records}].startTime"),
            Field::EndTime => format!("data[{records}].endTime"),
            Field::States => format!("data[{records}].states"),
            Field::Entry => format!("data[{records}].states[{entries}]"),
            Field::State => format!("data[{records}].states[{entries}].state"),
            Field::Duration => format!("data[{records}].states[{entries}].duration"),
        }
    }
}

// === impl Field ===

impl Field {
    /// What it must be.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Response | Self::Record | Self::Entry => "be an object",
            Self::Data | Self::States => "be a list or null",
            Self::NextPageToken | Self::AgentId => "be a string, a whole number or null",
            Self::StartTime | Self::EndTime | Self::State => "be a string or null",
            Self::Duration => "be a number, a string that holds one, or null",
        }
    }
}

/// The error of a body that stops being UTF-8 after `valid` bytes.
pub(super) fn not_utf8(body: &[u8], valid: usize) -> serde_json::Error {
    let read = body.get(..valid).unwrap_or(body);
    let line = 1 + read.iter().filter(|&&byte| byte == b'\n').count();
    let column = 1 + read.iter().rev().take_while(|&&byte| byte != b'\n').count();
    serde_json::Error::custom(format_args!("the answer is not UTF-8 at line {line} column {column}"))
}
