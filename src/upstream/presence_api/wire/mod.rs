//! The answer of the agent-presence report, streamed into a [`Tally`].
//!
//! Documented by NICE as `{"data":[{"agentId","startTime","endTime","states":[{"state","duration",
//! "percentage"}]}],"nextPageToken"?}`, with `duration` in seconds. Beyond that:
//!
//! - Fields come in any order. Unknown ones are skipped. One that is `null` is taken as missing.
//! - An id or a page token may be a whole number, and a duration a string that holds a number.
//! - A value that is of the right JSON type and still cannot be counted (a start that is no time, a negative
//!   duration) costs its record, which the tally counts as rejected.
//! - A value of any other JSON type, and a documented field that is there twice, make the whole page an error:
//!   then this is not the documented answer.
//!
//! An error tells what is wrong and where, never what was there, since that may be anything.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use self::place::{Field, Met, Place};
use self::scalar::{Id, Read, Seconds, Text};
use self::times::Times;
use crate::presence::{Micros, Tally};

mod place;
mod scalar;
#[cfg(test)]
mod tests;
mod times;

/// What some servers put before their JSON, though it means nothing there.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a page said besides its buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What to send for the next page; `None` on the last one, where it is missing, `null` or empty.
    pub next_page_token: Option<String>,
    /// How many buckets the page held, counted or not.
    pub buckets: usize,
}

/// Counts every bucket of a page into `tally`.
///
/// # Errors
///
/// When `body` is not the documented answer; the tally is then as it was before. The message names the value by its
/// path, with line and column, and quotes nothing.
pub fn decode_page(body: &[u8], tally: &mut Tally) -> Result<Page, serde_json::Error> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    // Checked once for the whole body, UTF-8 need not be checked string by string.
    let text = std::str::from_utf8(body).map_err(|invalid| place::not_utf8(body, invalid.valid_up_to()))?;
    let before = tally.checkpoint();
    let mut reader = Reader { tally, times: Times::default(), place: Place::default() };
    let mut json = serde_json::Deserializer::from_str(text);
    match Read(Response(&mut reader)).deserialize(&mut json).and_then(|token| json.end().map(|()| token)) {
        Ok(next_page_token) => Ok(Page { next_page_token, buckets: reader.place.records }),
        Err(error) => {
            reader.tally.roll_back(before);
            Err(reader.place.explain(error))
        }
    }
}

/// Where what is read goes, and where it is read.
struct Reader<'t> {
    tally: &'t mut Tally,
    times: Times,
    place: Place,
}

/// Reads the answer: `{"data", "nextPageToken"}`. Comes to the token.
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

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum RecordKey {
    AgentId,
    StartTime,
    EndTime,
    States,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum EntryKey {
    State,
    Duration,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Response<'_, '_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Field::Response.expected())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut answer: A) -> Result<Self::Value, A::Error> {
        let Self(reader) = self;
        let (mut next_page_token, mut met) = (None, Met::default());
        while let Some(key) = answer.next_key()? {
            match key {
                AnswerKey::Data => {
                    reader.place.enter(Field::Data, &mut met)?;
                    answer.next_value_seed(Read(Data(reader)))?;
                }
                AnswerKey::NextPageToken => {
                    reader.place.enter(Field::NextPageToken, &mut met)?;
                    next_page_token = answer.next_value_seed(Read(Id(|token: &str| Some(token.to_owned()))))?;
                }
                AnswerKey::Other => {
                    answer.next_value::<IgnoredAny>()?;
                }
            }
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
        loop {
            reader.place.field = Field::Record;
            if data.next_element_seed(Read(Record(reader)))?.is_none() {
                return Ok(());
            }
            reader.place.records += 1;
        }
    }
}

impl<'de> Visitor<'de> for Record<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Field::Record.expected())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        let (mut agent, mut start, mut end, mut met) = (None, None, None, Met::default());
        while let Some(key) = record.next_key()? {
            match key {
                RecordKey::AgentId => {
                    reader.place.enter(Field::AgentId, &mut met)?;
                    agent = record.next_value_seed(Read(Id(|id: &str| reader.tally.agent(id))))?;
                }
                RecordKey::StartTime => {
                    reader.place.enter(Field::StartTime, &mut met)?;
                    start = record.next_value_seed(Read(Text(|time: &str| reader.times.start(time))))?;
                }
                RecordKey::EndTime => {
                    reader.place.enter(Field::EndTime, &mut met)?;
                    end = record.next_value_seed(Read(Text(|time: &str| reader.times.end(time))))?;
                }
                RecordKey::States => {
                    reader.place.enter(Field::States, &mut met)?;
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
        f.write_str(Field::States.expected())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut states: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        reader.place.entries = 0;
        loop {
            reader.place.field = Field::Entry;
            if states.next_element_seed(Read(Entry(reader)))?.is_none() {
                return Ok(());
            }
            reader.place.entries += 1;
        }
    }
}

impl<'de> Visitor<'de> for Entry<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Field::Entry.expected())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entry: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        let (mut state, mut time, mut met) = (None, Ok(Micros::ZERO), Met::default());
        while let Some(key) = entry.next_key()? {
            match key {
                EntryKey::State => {
                    reader.place.enter(Field::State, &mut met)?;
                    state = entry.next_value_seed(Read(Text(|name: &str| Some(reader.tally.state_named(name)))))?;
                }
                EntryKey::Duration => {
                    reader.place.enter(Field::Duration, &mut met)?;
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
