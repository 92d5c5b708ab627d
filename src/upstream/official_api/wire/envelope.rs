//! What is around the rows of every list: `{"totalRecords", "_links": {"next"}, "<rows>": [...]}`.
//!
//! Some versions put all of it, or the rows alone, into `resultSet`. A body that is empty means that there are none.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::{Text, Whole};

/// What some servers put before their JSON, though it means nothing there.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A row of a list.
pub(in crate::upstream::official_api) trait Record:
    for<'de> Deserialize<'de> + Send + 'static
{
    /// The key that the rows stand under.
    const LIST: &'static str;
}

/// One page of a list.
#[derive(Debug)]
pub(in crate::upstream::official_api) struct Page<T> {
    /// The rows; `None` where the answer has no list of that name at all.
    pub(in crate::upstream::official_api) rows: Option<Vec<T>>,
    /// How many rows there are on all pages, if that is said.
    pub(in crate::upstream::official_api) total: Option<u64>,
    /// Where the next page is.
    pub(in crate::upstream::official_api) next: Next,
}

/// What a page says of the one after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::upstream::official_api) enum Next {
    /// It does not speak of links.
    Unsaid,
    /// There are links, and none to a next page.
    End,
    /// This address, as it was written.
    Link(String),
}

#[derive(Deserialize)]
struct Links {
    #[serde(default)]
    next: Text,
}

struct Envelope<T>(PhantomData<T>);

struct Rows<T>(PhantomData<T>);

/// Reads a page.
///
/// # Errors
///
/// When `body` is not JSON of that shape.
pub(in crate::upstream::official_api) fn decode<T: Record>(body: &[u8]) -> Result<Page<T>, serde_json::Error> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(Page { rows: Some(Vec::new()), total: None, next: Next::End });
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let page = Envelope(PhantomData).deserialize(&mut json)?;
    json.end().map(|()| page)
}

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
        Ok(Page { rows: Some(Vec::new()), total: None, next: Next::Unsaid })
    }

    // A `resultSet` may be the list itself.
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Page<T>, A::Error> {
        Ok(Page { rows: Some(Rows(PhantomData).visit_seq(list)?), total: None, next: Next::Unsaid })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Page<T>, A::Error> {
        let mut page = Page { rows: None, total: None, next: Next::Unsaid };
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "totalRecords" => page.total = object.next_value::<Whole>()?.0.and_then(|total| total.try_into().ok()),
                "_links" => {
                    let links = object.next_value::<Option<Links>>()?;
                    page.next = match links.map(|links| links.next.0) {
                        Some(Some(next)) => Next::Link(next),
                        Some(None) => Next::End,
                        None => Next::Unsaid,
                    };
                }
                "resultSet" => {
                    let inner = object.next_value_seed(Self(PhantomData))?;
                    page.rows = page.rows.or(inner.rows);
                    page.total = page.total.or(inner.total);
                    if inner.next != Next::Unsaid {
                        page.next = inner.next;
                    }
                }
                key if key == T::LIST => page.rows = Some(object.next_value_seed(Rows(PhantomData))?),
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        // Nothing at all is listed where there is nothing.
        if page.rows.is_none() && page.total == Some(0) {
            page.rows = Some(Vec::new());
        }
        Ok(page)
    }
}

impl<'de, T: Record> DeserializeSeed<'de> for Rows<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Vec<T>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Record> Visitor<'de> for Rows<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as a list", T::LIST)
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = list.next_element::<Option<T>>()? {
            rows.extend(row);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Thing {
        #[serde(default)]
        id: Whole,
    }

    impl Record for Thing {
        const LIST: &'static str = "things";
    }

    type Read = (Option<Vec<i64>>, Option<u64>, Next);

    fn page(body: &str) -> Result<Read, String> {
        let page = decode::<Thing>(body.as_bytes()).map_err(|error| error.to_string())?;
        let rows = page.rows.map(|rows| rows.into_iter().filter_map(|thing| thing.id.0).collect());
        Ok((rows, page.total, page.next))
    }

    #[test]
    fn rows_are_found_wherever_they_are() {
        let link = || Next::Link("https://h/x".to_owned());
        let table = [
            ("", Some(vec![]), None, Next::End),
            (" \r\n", Some(vec![]), None, Next::End),
            (r#"{"things":[{"id":1},{"id":"2"},null]}"#, Some(vec![1, 2]), None, Next::Unsaid),
            (r#"{"things":null,"totalRecords":"0","_links":null}"#, Some(vec![]), Some(0), Next::Unsaid),
            (r#"{"_links":{"self":"x","next":"https://h/x"},"things":[]}"#, Some(vec![]), None, link()),
            (r#"{"_links":{"next":null},"totalRecords":7,"things":[{"id":7}]}"#, Some(vec![7]), Some(7), Next::End),
            (r#"{"_links":{"next":""},"things":[]}"#, Some(vec![]), None, Next::End),
            (r#"{"resultSet":{"things":[{"id":3}],"totalRecords":1,"_links":{}}}"#, Some(vec![3]), Some(1), Next::End),
            (r#"{"totalRecords":1,"resultSet":{"things":[{"id":3}]}}"#, Some(vec![3]), Some(1), Next::Unsaid),
            (r#"{"resultSet":[{"id":3}]}"#, Some(vec![3]), None, Next::Unsaid),
            (r#"{"totalRecords":0}"#, Some(vec![]), Some(0), Next::Unsaid),
            (r#"{"error":"x"}"#, None, None, Next::Unsaid),
        ];
        for (body, rows, total, next) in table {
            assert_eq!(page(body), Ok((rows, total, next)), "{body}");
        }
        assert_eq!(page("\u{feff}{\"things\":[]}").map(|page| page.0), Ok(Some(vec![])));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for body in
            ["{", "7", "\"x\"", r#"{"things":7}"#, r#"{"things":{}}"#, r#"{"things":[7]}"#, r#"{"things":[]} x"#]
        {
            assert!(page(body).is_err(), "{body}");
        }
    }
}
