//! Decodes pages of the agent-presence report into a [`Tally`].
//!
//! NICE documents `{"data":[{"agentId","startTime","endTime","states":[{"state","duration","percentage"}]}],
//! "nextPageToken"?}`, with `duration` in seconds. Beyond that:
//!
//! - Fields come in any order. Unknown fields are skipped. `null` is the same as a missing field.
//! - An id or a page token may be a whole number, and a duration a string with a number.
//! - A value of the right JSON type that cannot be counted, such as a negative duration, costs its record or state, which the
//!   tally counts as rejected. So does a record with a value of another type, or with a documented field twice.
//! - Text that is not Unicode is repaired with U+FFFD.
//! - An object without `data` but with undocumented fields, such as `{"error":…}`, is not an answer. `{}` is no data.
//!
//! A page is decoded at full speed first. If that fails, it is repaired and decoded record by record.
//!
//! An error names the place and quotes nothing, since the content may be anything.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use self::place::{Field, Place, Seen};
use self::scalar::{Id, Read, Seconds, Text};
use self::times::Times;
use crate::presence::{Micros, Rejection, Tally};
use crate::upstream::http::json_repair::{MAX_REPAIRED_BYTES, repair};

mod place;
mod scalar;
#[cfg(test)]
mod tests;
mod times;

/// What a page has besides its buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The token of the next page; `None` on the last page, where it is missing, `null` or empty.
    pub next_page_token: Option<String>,
    /// The number of buckets of the page, counted or not.
    pub buckets: usize,
}

/// Counts every bucket of a page into `tally`.
///
/// # Errors
///
/// Fails if `body` is not the documented answer; the tally is then unchanged. The message has the path of the value, line and
/// column, and quotes nothing.
pub fn decode_page(body: &[u8], tally: &mut Tally) -> Result<Page, serde_json::Error> {
    // One check of UTF-8 for the whole body spares one for each string.
    if let Ok(text) = std::str::from_utf8(body) {
        match read_page(text, tally, Records::AllOrNothing) {
            Err(error) if !error.is_eof() => {}
            outcome => return outcome,
        }
    }
    // A body that is too large to be repaired is not copied.
    let mut body = Cow::Borrowed(body);
    if body.len() <= MAX_REPAIRED_BYTES {
        repair(body.to_mut());
    }
    let text = std::str::from_utf8(&body).map_err(|_| serde_json::Error::custom("the answer is not UTF-8"))?;
    read_page(text, tally, Records::EachByItself)
}

fn read_page(text: &str, tally: &mut Tally, records: Records) -> Result<Page, serde_json::Error> {
    let before = tally.checkpoint();
    let mut reader = Reader { tally, times: Times::default(), place: Place::default(), records, buckets: 0 };
    let mut json = serde_json::Deserializer::from_str(text);
    match Read(Response(&mut reader)).deserialize(&mut json).and_then(|token| json.end().map(|()| token)) {
        Ok(next_page_token) => Ok(Page { next_page_token, buckets: reader.buckets }),
        Err(error) => {
            reader.tally.roll_back(before);
            Err(reader.place.explain(error))
        }
    }
}

/// What a record that cannot be read costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records {
    /// The page.
    AllOrNothing,
    /// Itself: each record is first found, then read.
    EachByItself,
}

/// The state of reading a page.
struct Reader<'t> {
    tally: &'t mut Tally,
    times: Times,
    place: Place,
    records: Records,
    buckets: usize,
}

/// Reads the answer: `{"data", "nextPageToken"}`. Returns the token.
struct Response<'r, 't>(&'r mut Reader<'t>);

/// Reads `data`: a list of records.
struct Data<'r, 't>(&'r mut Reader<'t>);

/// Reads a record: `{"agentId", "startTime", "endTime", "states"}`, one bucket of one agent.
struct Record<'r, 't>(&'r mut Reader<'t>);

/// Reads `states` of a record: a list of entries.
struct States<'r, 't>(&'r mut Reader<'t>);

/// Reads an entry of `states`: `{"state", "duration", "percentage"}`.
struct Entry<'r, 't>(&'r mut Reader<'t>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum AnswerKey {
    Data,
    NextPageToken,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum RecordKey {
    AgentId,
    StartTime,
    EndTime,
    States,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EntryKey {
    State,
    Duration,
    #[serde(other)]
    Other,
}

// === impl Reader ===

impl Reader<'_> {
    fn read_or_reject(&mut self, record: &RawValue) {
        let mut json = serde_json::Deserializer::from_str(record.get());
        if Read(Record(self)).deserialize(&mut json).is_err() {
            self.tally.reject(Rejection::Malformed);
        }
    }
}

impl<'de> Visitor<'de> for Response<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Field::Response.expected())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut answer: A) -> Result<Self::Value, A::Error> {
        let Self(reader) = self;
        let (mut next_page_token, mut has_data, mut has_token, mut has_other) = (None, false, false, false);
        while let Some(key) = answer.next_key()? {
            match key {
                AnswerKey::Data => {
                    reader.place.enter(Field::Data, &mut has_data)?;
                    answer.next_value_seed(Read(Data(reader)))?;
                }
                AnswerKey::NextPageToken => {
                    reader.place.enter(Field::NextPageToken, &mut has_token)?;
                    next_page_token = answer.next_value_seed(Read(Id(|token: &str| Some(token.to_owned()))))?;
                    // A token that was repaired cannot be sent back.
                    if next_page_token.as_deref().is_some_and(|token| token.contains(char::REPLACEMENT_CHARACTER)) {
                        return Err(A::Error::custom("not Unicode"));
                    }
                }
                AnswerKey::Other => {
                    answer.next_value::<IgnoredAny>()?;
                    has_other = true;
                }
            }
        }
        if has_other && !has_data {
            reader.place.field = Field::Data;
            return Err(A::Error::missing_field("data"));
        }
        Ok(next_page_token.filter(|token| !token.is_empty()))
    }
}

impl<'de> Visitor<'de> for Data<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Field::Data.expected())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut data: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        match reader.records {
            Records::AllOrNothing => {
                while data.next_element_seed(Read(Record(reader)))?.is_some() {
                    reader.buckets += 1;
                }
            }
            Records::EachByItself => {
                while let Some(record) = data.next_element::<&RawValue>()? {
                    reader.read_or_reject(record);
                    reader.buckets += 1;
                }
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Record<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        let (mut agent, mut start, mut end, mut seen) = (None, None, None, Seen::default());
        while let Some(key) = record.next_key::<RecordKey>()? {
            match key {
                RecordKey::AgentId => {
                    seen.once(key as u8)?;
                    agent = record.next_value_seed(Read(Id(|id: &str| reader.tally.agent(id))))?;
                }
                RecordKey::StartTime => {
                    seen.once(key as u8)?;
                    start = record.next_value_seed(Read(Text(|time: &str| reader.times.start(time))))?;
                }
                RecordKey::EndTime => {
                    seen.once(key as u8)?;
                    end = record.next_value_seed(Read(Text(|time: &str| reader.times.end(time))))?;
                }
                RecordKey::States => {
                    seen.once(key as u8)?;
                    record.next_value_seed(Read(States(reader)))?;
                }
                RecordKey::Other => {
                    record.next_value::<IgnoredAny>()?;
                }
            }
        }
        reader.tally.bucket(agent, start, end);
        Ok(())
    }
}

impl<'de> Visitor<'de> for States<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut states: A) -> Result<(), A::Error> {
        while states.next_element_seed(Read(Entry(self.0)))?.is_some() {}
        Ok(())
    }
}

impl<'de> Visitor<'de> for Entry<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entry: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        let (mut state, mut time, mut seen) = (None, Ok(Micros::ZERO), Seen::default());
        while let Some(key) = entry.next_key::<EntryKey>()? {
            match key {
                EntryKey::State => {
                    seen.once(key as u8)?;
                    state = entry.next_value_seed(Read(Text(|name: &str| Some(reader.tally.state_named(name)))))?;
                }
                EntryKey::Duration => {
                    seen.once(key as u8)?;
                    time = entry.next_value_seed(Read(Seconds))?;
                }
                EntryKey::Other => {
                    entry.next_value::<IgnoredAny>()?;
                }
            }
        }
        reader.tally.state(state, time);
        Ok(())
    }
}
