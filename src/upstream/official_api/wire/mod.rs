//! What the official API answers, read leniently: nulls, numbers and booleans as strings, keys in any case, wrappers.
//!
//! | file | what it reads |
//! | --- | --- |
//! | `envelope` | what is around the rows of a list |
//! | `records` | the rows |
//! | `lenient` | single values, whatever type they have |
//! | `iso_duration` | ISO 8601 durations |

pub(super) mod envelope;
pub(super) mod iso_duration;
pub(super) mod lenient;
pub(super) mod records;

/// What the fuzz targets reach into.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    use super::envelope::{self, Kept, Next};
    use super::iso_duration;
    use super::records::{AgentRecord, CodeRecord, HistoryRecord, Record, StateRecord};
    use crate::presence::{Micros, Rejection};

    /// The contents of one page of a list.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Page {
        /// How many rows there are, kept or not.
        pub rows: u64,
        /// How many rows there are on all pages, if that is said.
        pub total: Option<u64>,
        /// The address of the next page; `Some(None)` where it is said that there is none.
        pub next: Option<Option<String>>,
    }

    /// The lists that are read, by the keys that their rows stand under, each with what reads a page of it.
    #[allow(clippy::type_complexity, reason = "a table of functions")]
    pub const LISTS: [(&str, fn(&[u8]) -> Result<Page, String>); 4] = [
        (AgentRecord::LIST, page::<AgentRecord>),
        (StateRecord::LIST, page::<StateRecord>),
        (HistoryRecord::LIST, page::<HistoryRecord>),
        (CodeRecord::LIST, page::<CodeRecord>),
    ];

    /// The span that a duration of the history stands for.
    pub fn duration(text: &str) -> Result<Micros, Rejection> {
        iso_duration::parse(text)
    }

    fn page<T: Record>(body: &[u8]) -> Result<Page, String> {
        let page = envelope::decode::<T>(body, Kept::All, u64::MAX).map_err(|error| format!("{error:?}"))?;
        let next = match page.next {
            Next::Unsaid => None,
            Next::End => Some(None),
            Next::Link(link) => Some(Some(link)),
        };
        Ok(Page { rows: page.found, total: page.total, next })
    }
}
