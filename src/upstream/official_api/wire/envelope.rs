//! What is around the rows of every list: `{"totalRecords", "_links": {"next"}, "<rows>": [...]}`.
//!
//! Some versions put all of it, or the rows alone, into `resultSet`. Keys are read whatever their case. A row that is no
//! object, or does not say what it is about, is counted and left out.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::Scalar;
pub(in crate::upstream::official_api) use super::records::Record;

/// What some servers put before their JSON, though it means nothing there.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most rows of a page. It is requested with 10,000; a real row has some 300 bytes, so a server that ignores the size
/// cannot send more than this within the largest accepted body.
const MAX_ROWS: usize = 250_000;

/// The longest key that is looked at; the longest one that is needed has 19 bytes.
const MAX_KEY_BYTES: usize = 32;

/// One page of a list.
#[derive(Debug)]
pub(in crate::upstream::official_api) struct Page<T> {
    /// The rows; `None` where the answer has no list of that name at all.
    pub(in crate::upstream::official_api) rows: Option<Vec<T>>,
    /// How many rows were left out.
    pub(in crate::upstream::official_api) rejected: u64,
    /// How many rows there are on all pages, if that is said.
    pub(in crate::upstream::official_api) total: Option<u64>,
    /// Where the next page is.
    pub(in crate::upstream::official_api) next: Next,
}

/// What a page says of the one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upstream::official_api) enum Next {
    /// It has no links.
    Unsaid,
    /// There are links, and none to a next page.
    End,
    /// This address, as it was written.
    Link(String),
}

struct Envelope<T>(PhantomData<T>);

struct Links;

struct Rows<'a, T>(&'a mut u64, PhantomData<T>);

struct Row<T>(PhantomData<T>);

/// Reads a key into the buffer, in lower case; one that is too long is read as no key.
struct LowerCaseKey<'a>(&'a mut String);

/// Reads a page.
///
/// # Errors
///
/// When `body` is not JSON of that shape.
pub(in crate::upstream::official_api) fn decode<T: Record>(body: &[u8]) -> Result<Page<T>, serde_json::Error> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let mut json = serde_json::Deserializer::from_slice(body);
    let page = Envelope(PhantomData).deserialize(&mut json)?;
    json.end().map(|()| page)
}

// === impl Page ===

impl<T> Page<T> {
    const fn new(rows: Option<Vec<T>>) -> Self {
        Self { rows, rejected: 0, total: None, next: Next::Unsaid }
    }
}

// === impl Envelope ===

impl<'de, T: Record> DeserializeSeed<'de> for Envelope<T> {
    type Value = Page<T>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Page<T>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Envelope<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", T::LIST)
    }

    fn visit_unit<E>(self) -> Result<Page<T>, E> {
        Ok(Page::new(Some(Vec::new())))
    }

    // A `resultSet` may be the list itself.
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Page<T>, A::Error> {
        let mut page = Page::new(None);
        page.rows = Some(Rows(&mut page.rejected, PhantomData).visit_seq(list)?);
        Ok(page)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Page<T>, A::Error> {
        let mut page = Page::new(None);
        let mut is_empty = true;
        let mut key = String::new();
        while object.next_key_seed(LowerCaseKey(&mut key))?.is_some() {
            is_empty = false;
            match key.as_str() {
                "totalrecords" => {
                    page.total = object.next_value::<Scalar>()?.whole().and_then(|total| total.try_into().ok());
                }
                "_links" => page.next = object.next_value_seed(Links)?,
                "resultset" => {
                    let inner = object.next_value_seed(Self(PhantomData))?;
                    page.rows = page.rows.or(inner.rows);
                    page.rejected += inner.rejected;
                    page.total = page.total.or(inner.total);
                    if inner.next != Next::Unsaid {
                        page.next = inner.next;
                    }
                }
                key if key.eq_ignore_ascii_case(T::LIST) => {
                    page.rows = Some(object.next_value_seed(Rows(&mut page.rejected, PhantomData))?);
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        // `{}` and a total of zero mean that there are no rows.
        if page.rows.is_none() && (is_empty || page.total == Some(0)) {
            page.rows = Some(Vec::new());
        }
        Ok(page)
    }
}

// === impl Links ===

impl<'de> DeserializeSeed<'de> for Links {
    type Value = Next;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Next, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Links {
    type Value = Next;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("links")
    }

    fn visit_unit<E>(self) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_str<E>(self, _: &str) -> Result<Next, E> {
        Ok(Next::Unsaid)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Next, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Next::Unsaid)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Next, A::Error> {
        let mut next = Next::End;
        let mut key = String::new();
        while object.next_key_seed(LowerCaseKey(&mut key))?.is_some() {
            let value: Scalar = object.next_value()?;
            if let (true, Some(link)) = (key == "next", value.text()) {
                next = Next::Link(link);
            }
        }
        Ok(next)
    }
}

// === impl Rows ===

impl<'de, T: Record> DeserializeSeed<'de> for Rows<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Vec<T>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Rows<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as a list", T::LIST)
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element_seed(Row(PhantomData))? {
            match row {
                _ if rows.len() >= MAX_ROWS => return Err(A::Error::custom(format!("more than {MAX_ROWS} rows"))),
                Some(row) => rows.push(row),
                None => *self.0 += 1,
            }
        }
        Ok(rows)
    }
}

// === impl Row ===

impl<'de, T: Record> DeserializeSeed<'de> for Row<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Option<T>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Row<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<T>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Option<T>, A::Error> {
        let mut row = T::default();
        let mut key = String::new();
        while object.next_key_seed(LowerCaseKey(&mut key))?.is_some() {
            match row.slot(&key) {
                Some(slot) => slot.put(object.next_value()?),
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(row).filter(T::has_id))
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
mod tests {
    use super::super::records::{HistoryRecord, StateRecord};
    use super::*;
    use crate::presence::Micros;
    use crate::upstream::official_api::wire::lenient::Slot;

    #[derive(Debug, Default)]
    struct Thing(Option<i64>);

    impl Record for Thing {
        const LIST: &'static str = "things";

        fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
            (key == "id").then_some(Slot::Whole(&mut self.0))
        }

        fn has_id(&self) -> bool {
            self.0.is_some()
        }
    }

    type Read = (Option<Vec<i64>>, u64, Option<u64>, Next);

    fn page(body: &str) -> Result<Read, String> {
        let page = decode::<Thing>(body.as_bytes()).map_err(|error| error.to_string())?;
        let rows = page.rows.map(|rows| rows.into_iter().filter_map(|thing| thing.0).collect());
        Ok((rows, page.rejected, page.total, page.next))
    }

    #[test]
    fn rows_are_found_in_every_envelope() {
        let link = || Next::Link("https://h/x".to_owned());
        let table = [
            ("null", Some(vec![]), None, Next::Unsaid),
            ("{}", Some(vec![]), None, Next::Unsaid),
            (r#"{"resultSet":{}}"#, Some(vec![]), None, Next::Unsaid),
            (r#"{"things":[{"id":1},{"id":"2"}]}"#, Some(vec![1, 2]), None, Next::Unsaid),
            (r#"{"Things":[{"ID":1},{"Id":"2"}],"TotalRecords":2}"#, Some(vec![1, 2]), Some(2), Next::Unsaid),
            (r#"{"things":null,"totalRecords":"0","_links":null}"#, Some(vec![]), Some(0), Next::Unsaid),
            (r#"{"_links":{"self":"x","next":"https://h/x"},"things":[]}"#, Some(vec![]), None, link()),
            (r#"{"_links":{"self":{"a":1},"Next":"https://h/x"},"things":[]}"#, Some(vec![]), None, link()),
            (r#"{"_links":["https://h/x"],"things":[]}"#, Some(vec![]), None, Next::Unsaid),
            (r#"{"_links":"https://h/x","things":[]}"#, Some(vec![]), None, Next::Unsaid),
            (r#"{"_links":{"next":null},"totalRecords":7,"things":[{"id":7}]}"#, Some(vec![7]), Some(7), Next::End),
            (r#"{"_links":{"next":""},"things":[]}"#, Some(vec![]), None, Next::End),
            (r#"{"resultSet":{"things":[{"id":3}],"totalRecords":1,"_links":{}}}"#, Some(vec![3]), Some(1), Next::End),
            (r#"{"totalRecords":1,"resultSet":{"things":[{"id":3}]}}"#, Some(vec![3]), Some(1), Next::Unsaid),
            (r#"{"resultSet":[{"id":3}]}"#, Some(vec![3]), None, Next::Unsaid),
            (r#"{"totalRecords":0}"#, Some(vec![]), Some(0), Next::Unsaid),
            (r#"{"error":"x"}"#, None, None, Next::Unsaid),
            (r#"{"error":null}"#, None, None, Next::Unsaid),
            (r#"{"totalRecords":3}"#, None, Some(3), Next::Unsaid),
        ];
        for (body, rows, total, next) in table {
            assert_eq!(page(body), Ok((rows, 0, total, next)), "{body}");
        }
        assert_eq!(page("\u{feff}{\"things\":[]}").map(|page| page.0), Ok(Some(vec![])));
    }

    #[test]
    fn a_malformed_row_costs_one_row() {
        let rows = r#"null,7,-7,1.5,true,"x",[1,[2]],{},{"id":null},{"id":{"a":1}},{"id":5,"more":[{}]},{"id":6}"#;
        for body in [format!(r#"{{"things":[{rows}]}}"#), format!(r#"{{"resultSet":[{rows}]}}"#)] {
            assert_eq!(page(&body), Ok((Some(vec![5, 6]), 10, None, Next::Unsaid)), "{body}");
        }
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for body in ["", " \r\n", "{", "7", "\"x\"", r#"{"things":7}"#, r#"{"things":{}}"#, r#"{"things":[]} x"#] {
            assert!(page(body).is_err(), "{body}");
        }
    }

    #[test]
    fn rows_of_a_page_are_limited() {
        for (count, is_read) in [(MAX_ROWS, true), (MAX_ROWS + 1, false)] {
            let body = format!(r#"{{"things":[{}]}}"#, vec![r#"{"id":1}"#; count].join(","));
            assert_eq!(page(&body).is_ok(), is_read, "{count}");
        }
    }

    #[test]
    fn keys_are_read_whatever_their_case_and_even_twice() {
        let body = r#"{"agentStates":[{"AgentId":100001,"AgentStateId":2,"AgentStateName":"Unavailable","IsACW":false,
            "isAcw":true,"OutStateId":7,"OutStateDescription":null,"outStateDescription":"Lunch",
            "StartDate":"2015-05-21T21:07:40.72Z","LastUpdateTime":"2015-05-21T21:07:40.723Z","TeamId":200001}]}"#;
        let page = decode::<StateRecord>(body.as_bytes()).unwrap();
        let [row] = &page.rows.unwrap()[..] else { panic!() };
        assert_eq!((row.agent_id.as_deref(), row.team_id.as_deref()), (Some("100001"), Some("200001")));
        assert_eq!((row.state.id, row.state.acw), (Some(2), Some(true)));
        assert_eq!(row.state.description.as_deref(), Some("Lunch"));
        assert!(row.start_date.is_some() && row.last_update_time.is_some());

        let body = r#"{"agentStateHistory":[{"AGENTID":"1","duration":600.5,"stateIndex":"0","agentSessionId":9002}]}"#;
        let page = decode::<HistoryRecord>(body.as_bytes()).unwrap();
        let [row] = &page.rows.unwrap()[..] else { panic!() };
        assert_eq!(row.duration, Some(Ok(Micros::new(600_500_000))));
        assert_eq!((row.agent_session_id, row.state_index), (Some(9002), Some(0)));
    }
}
