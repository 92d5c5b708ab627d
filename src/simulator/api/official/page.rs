//! A part of a list, with what is around it.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{Office, Query};
use crate::simulator::api::Answer;
use crate::simulator::faults::Fault;
use crate::simulator::habits::Habit;

/// A page of a list.
pub(super) struct Page {
    pub(super) list: &'static str,
    /// All rows of the list.
    pub(super) rows: Arc<Vec<Value>>,
    pub(super) skip: usize,
    pub(super) top: usize,
    /// Whether the list comes in pages.
    pub(super) paged: bool,
}

// === impl Page ===

impl Page {
    pub(super) fn answer(self, office: &Office<'_>, query: &Query, fault: Option<&Fault>) -> Answer {
        let Self { list, rows, skip, top, paged } = self;
        let options = office.options;
        let total = rows.len();
        let mut part: Vec<Value> = rows.iter().skip(skip).take(top).cloned().collect();
        if fault == Some(&Fault::Empty) {
            part.clear();
        }
        let found = part.len();
        let more = skip + found < total && found > 0;
        let next = match fault {
            Some(Fault::ForeignLink(address)) => Some(address.clone()),
            Some(Fault::RepeatedToken) => Some(query.link(office, skip)),
            Some(Fault::EndlessPages) => Some(query.link(office, skip + found.max(1))),
            _ if more => Some(query.link(office, skip + found)),
            _ => None,
        };
        if found == 0 && next.is_none() && options.has(Habit::EmptyAs204) {
            return Answer { status: StatusCode::NO_CONTENT, ..Answer::json(Vec::new()) };
        }
        if found == 0 && next.is_none() && options.has(Habit::EmptyAsNothing) {
            return Answer::json(Vec::new());
        }
        let mut body = Map::new();
        body.insert("businessUnitId".to_owned(), 4_711.into());
        if paged && !options.has(Habit::NoTotals) {
            body.insert(
                "totalRecords".to_owned(),
                if options.has(Habit::Strings) { total.to_string().into() } else { total.into() },
            );
        }
        if paged && (!options.has(Habit::NoLinks) || fault.is_some_and(|fault| matches!(fault, Fault::ForeignLink(_))))
        {
            body.insert(
                "_links".to_owned(),
                json!({ "self": query.link(office, skip), "next": next, "previous": null }),
            );
        }
        let data = if fault == Some(&Fault::NullData) { Value::Null } else { Value::Array(part) };
        body.insert(list.to_owned(), data);
        let body = Value::Object(body);
        let body = if options.has(Habit::Wrapped) { json!({ "resultSet": body }) } else { body };
        Answer { rows: found, ..Answer::json(body.to_string().into_bytes()) }
    }
}
