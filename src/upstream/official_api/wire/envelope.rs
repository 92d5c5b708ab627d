//! What is around the rows of every list: `{"totalRecords", "_links": {"next"}, "<rows>": [...]}`.
//!
//! Some versions put all of it, or the rows alone, into `resultSet`. Keys are read whatever their case. Each row is first found
//! in the text and then read by itself, so a row that cannot be read is counted and costs no other row.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::Scalar;
pub(crate) use super::records::Record;
use crate::presence::{AgentId, MAX_TEXT_BYTES, Rejection, Rejections};
use crate::upstream::http::DecodeError;
use crate::upstream::http::json_repair::repair;

/// The most rows of a page. It is requested with 10,000, and the history of a tenant that ignores this is requested in shorter
/// ranges.
const MAX_ROWS: u64 = 100_000;

/// The longest row in bytes. A real one has some 700.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// The longest link to a next page. It becomes an address, and servers commonly refuse addresses of more than 8 KiB.
const MAX_LINK_BYTES: usize = 8 * 1024;

/// The longest key that is looked at; the longest one that is needed has 19 bytes.
const MAX_KEY_BYTES: usize = 32;

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The rows that are kept.
    pub(crate) rows: Vec<T>,
    /// The memory that these rows take, in bytes, as far as it depends on the answer.
    pub(crate) bytes: u64,
    /// How many rows the page has, kept or not.
    pub(crate) found: u64,
    /// The rows that cannot be read, or do not say what they are about.
    pub(crate) rejections: Rejections,
    /// How many rows there are on all pages, if that is said.
    pub(crate) total: Option<u64>,
    /// Where the next page is.
    pub(crate) next: Next,
}

/// What a page says of the one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has no links.
    Unsaid,
    /// There are links, and none to a next page.
    End,
    /// This address, as it was written.
    Link(String),
}

/// Which rows are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept<'a> {
    /// All that have an id.
    All,
    /// Those of these agents.
    Of(&'a HashSet<AgentId>),
    /// All, as the list is of one agent, whose rows may not repeat its id.
    WithoutId,
}

/// The state of reading a page.
struct Reader<'a, T> {
    page: Page<T>,
    kept: Kept<'a>,
    /// The memory that the rows may take, in bytes.
    room: u64,
    has_list: bool,
    /// Whether there are keys that are not documented, such as `error`.
    has_other: bool,
}

/// Reads a page, or what `resultSet` of a page has.
struct Envelope<'r, 'a, T>(&'r mut Reader<'a, T>);

/// Reads the list of rows.
struct Rows<'r, 'a, T>(&'r mut Reader<'a, T>);

/// Gives each key of an object, in lower case, and its value to a function.
struct Fields<F>(F);

/// Reads a key into the buffer, in lower case; one that is too long is read as no key.
struct LowerCaseKey<'a>(&'a mut String);

/// Reads a page, whose rows may take `room` bytes of memory.
///
/// # Errors
///
/// Fails if `body` is not JSON of that shape, has no such list, or too many rows.
pub(crate) fn decode<T: Record>(body: &[u8], kept: Kept<'_>, room: u64) -> Result<Page<T>, DecodeError> {
    let page = Page {
        rows: Vec::new(),
        bytes: 0,
        found: 0,
        rejections: Rejections::default(),
        total: None,
        next: Next::Unsaid,
    };
    let mut reader = Reader { page, kept, room, has_list: false, has_other: false };
    let mut json = serde_json::Deserializer::from_slice(body);
    match Envelope(&mut reader).deserialize(&mut json).and_then(|()| json.end()) {
        Err(_) if reader.page.found > MAX_ROWS => {
            Err(DecodeError::TooMuch(format!("it has more than {MAX_ROWS} rows of `{}`", T::LIST)))
        }
        Err(_) if reader.page.bytes > room => {
            let mebibytes = room / (1024 * 1024);
            Err(DecodeError::TooMuch(format!("rows of `{}` take more than the {mebibytes} MiB left for them", T::LIST)))
        }
        Err(error) => Err(error.into()),
        // `{}` and a total of zero mean that there are no rows.
        Ok(()) if reader.has_list || (!reader.has_other && reader.page.total.is_none_or(|total| total == 0)) => {
            Ok(reader.page)
        }
        Ok(()) => Err(DecodeError::no_answer(T::LIST, body)),
    }
}

/// Reads the fields of an object.
fn fields<'j>(
    json: &'j str,
    take: impl FnMut(&str, &'j str) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    serde_json::Deserializer::from_str(json).deserialize_map(Fields(take))
}

/// Reads a row. Returns the memory that it takes as well, in bytes.
fn row<T: Record>(json: &str) -> Result<(T, usize), Rejection> {
    fn read<T: Record>(json: &str) -> Result<(T, usize), serde_json::Error> {
        let (mut row, mut bytes) = (T::default(), size_of::<T>());
        fields(json, |key, value| {
            if let Some(slot) = row.slot(key) {
                slot.put(Scalar::read(value)?);
                bytes += value.len().min(MAX_TEXT_BYTES);
            }
            Ok(())
        })?;
        Ok((row, bytes))
    }
    if json.len() > MAX_ROW_BYTES {
        return Err(Rejection::Malformed);
    }
    read(json).or_else(|_| {
        let mut repaired = json.as_bytes().to_vec();
        if !repair(&mut repaired) {
            return Err(Rejection::Malformed);
        }
        std::str::from_utf8(&repaired).ok().and_then(|json| read(json).ok()).ok_or(Rejection::Malformed)
    })
}

/// What `_links` of a page says.
fn next(json: &str) -> Next {
    let mut next = Next::End;
    let read = fields(json, |key, value| {
        if let ("next", Some(link)) = (key, Scalar::read(value)?.text()) {
            next = if link.len() <= MAX_LINK_BYTES { Next::Link(link.into_owned()) } else { Next::Unsaid };
        }
        Ok(())
    });
    read.map_or(Next::Unsaid, |()| next)
}

// === impl Reader ===

impl<T: Record> Reader<'_, T> {
    /// Adds a row. Returns whether the page is within its limits.
    fn add(&mut self, json: &str) -> bool {
        self.page.found += 1;
        match row::<T>(json) {
            Err(reason) => self.page.rejections.add(reason),
            Ok((row, bytes)) => {
                let is_kept = match (row.id(), self.kept) {
                    (_, Kept::WithoutId) | (Some(_), Kept::All) => true,
                    (Some(id), Kept::Of(agents)) => agents.contains(id),
                    (None, _) => {
                        self.page.rejections.add(T::NO_ID);
                        false
                    }
                };
                if is_kept {
                    self.page.rows.push(row);
                    self.page.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
                }
            }
        }
        self.page.found <= MAX_ROWS && self.page.bytes <= self.room
    }
}

// === impl Envelope ===

impl<'de, T: Record> DeserializeSeed<'de> for Envelope<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Envelope<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", T::LIST)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.has_list = true;
        Ok(())
    }

    // A `resultSet` may be the list itself.
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Rows(self.0).visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        let mut key = String::new();
        while object.next_key_seed(LowerCaseKey(&mut key))?.is_some() {
            match key.as_str() {
                "totalrecords" => {
                    let total = Scalar::read(object.next_value::<&RawValue>()?.get()).ok();
                    let total = total.and_then(|total| total.whole()?.try_into().ok());
                    reader.page.total = total.or(reader.page.total);
                }
                "_links" => match next(object.next_value::<&RawValue>()?.get()) {
                    Next::Unsaid => {}
                    next => reader.page.next = next,
                },
                "resultset" => object.next_value_seed(Envelope(reader))?,
                key if key.eq_ignore_ascii_case(T::LIST) => object.next_value_seed(Rows(reader))?,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                    reader.has_other = true;
                }
            }
        }
        Ok(())
    }
}

// === impl Rows ===

impl<'de, T: Record> DeserializeSeed<'de> for Rows<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Rows<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as a list", T::LIST)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.has_list = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(reader) = self;
        reader.has_list = true;
        while let Some(row) = list.next_element::<&RawValue>()? {
            if !reader.add(row.get()) {
                return Err(A::Error::custom("too many rows"));
            }
        }
        Ok(())
    }
}

// === impl Fields ===

impl<'de, F: FnMut(&str, &'de str) -> Result<(), serde_json::Error>> Visitor<'de> for Fields<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let mut key = String::new();
        while object.next_key_seed(LowerCaseKey(&mut key))?.is_some() {
            (self.0)(&key, object.next_value::<&RawValue>()?.get()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

// === impl LowerCaseKey ===

impl<'de> DeserializeSeed<'de> for LowerCaseKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_str(self)
    }
}

impl Visitor<'_> for LowerCaseKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.clear();
        if key.len() <= MAX_KEY_BYTES {
            self.0.push_str(key);
            self.0.make_ascii_lowercase();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
