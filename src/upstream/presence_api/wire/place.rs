//! The place in the answer that is being read, for errors that name it.

use serde::de::Error;

/// A place in the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) field: Field,
    /// The field is there twice.
    is_duplicate: bool,
}

/// A part of the answer whose type the whole page depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Field {
    #[default]
    Response,
    Data,
    NextPageToken,
}

/// The documented fields of one object so far.
#[derive(Debug, Default)]
pub(super) struct Seen(u8);

// === impl Place ===

impl Place {
    /// Steps to a field of the answer, which may be there once.
    pub(super) fn enter<E: Error>(&mut self, field: Field, seen: &mut bool) -> Result<(), E> {
        (self.field, self.is_duplicate) = (field, std::mem::replace(seen, true));
        if self.is_duplicate { Err(E::custom("twice")) } else { Ok(()) }
    }

    /// Rewords an error about a value to name its place. An error about JSON quotes nothing as it is.
    pub(super) fn explain(self, error: serde_json::Error) -> serde_json::Error {
        if !error.is_data() {
            return error;
        }
        let Self { field, is_duplicate } = self;
        let must = if is_duplicate { "be there only once" } else { field.expected() };
        let (path, line, column) = (field.path(), error.line(), error.column());
        serde_json::Error::custom(format_args!("{path} must {must} at line {line} column {column}"))
    }
}

// === impl Field ===

impl Field {
    const fn path(self) -> &'static str {
        match self {
            Self::Response => "the answer",
            Self::Data => "data",
            Self::NextPageToken => "nextPageToken",
        }
    }

    /// What it must be.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Response => "be an object",
            Self::Data => "be a list or null",
            Self::NextPageToken => "be a string, a whole number or null",
        }
    }
}

// === impl Seen ===

impl Seen {
    /// Notes the field with this number, which may be there once.
    #[inline]
    pub(super) fn once<E: Error>(&mut self, field: u8) -> Result<(), E> {
        let bit = 1 << field;
        if self.0 & bit != 0 {
            return Err(E::custom("twice"));
        }
        self.0 |= bit;
        Ok(())
    }
}
