//! Start and end times. Each record repeats one of the previous record or both, so most need no parsing.

use crate::presence::Timestamp;

/// The length of `YYYY-MM-DDTHH:MM:SSZ`, the usual format.
const USUAL_LENGTH: usize = "1970-01-01T00:00:00Z".len();

/// Parses times, and remembers the latest two.
#[derive(Debug, Default)]
pub(super) struct Times {
    start: Latest,
    end: Latest,
}

/// A time and its text.
#[derive(Debug, Default)]
struct Latest {
    text: [u8; USUAL_LENGTH],
    time: Option<Timestamp>,
}

// === impl Times ===

impl Times {
    /// Parses a `startTime`.
    #[inline]
    pub(super) fn start(&mut self, text: &str) -> Option<Timestamp> {
        Self::read(text, &mut self.start, &self.end)
    }

    /// Parses an `endTime`.
    #[inline]
    pub(super) fn end(&mut self, text: &str) -> Option<Timestamp> {
        Self::read(text, &mut self.end, &self.start)
    }

    #[inline]
    fn read(text: &str, same: &mut Latest, other: &Latest) -> Option<Timestamp> {
        let Ok(text) = <[u8; USUAL_LENGTH]>::try_from(text.as_bytes()) else {
            return Timestamp::parse(text.as_bytes());
        };
        if same.text != text {
            let time = if other.text == text { other.time } else { Timestamp::parse(&text) };
            *same = Latest { text, time };
        }
        same.time
    }
}
