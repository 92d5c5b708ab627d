//! Rows in every envelope, and the limits of a page.

use super::super::records::{HistoryRecord, StateRecord};
use super::*;
use crate::presence::Micros;
use crate::upstream::official_api::wire::lenient::Slot;

#[derive(Debug, Default)]
struct Thing {
    id: Option<String>,
    size: Option<i64>,
}

impl Record for Thing {
    const LIST: &'static str = "things";

    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        match key {
            "id" => Some(Slot::Id(&mut self.id)),
            "size" => Some(Slot::Whole(&mut self.size)),
            _ => None,
        }
    }

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// The ids of rows, the rejected rows (malformed, without an id), the total, the next page.
type Read = (Vec<String>, [u64; 2], Option<u64>, Next);

fn page_of(body: &str, kept: Kept<'_>) -> Result<Read, String> {
    let page = decode::<Thing>(body.as_bytes(), kept, u64::MAX).map_err(|error| format!("{error:?}"))?;
    let ids = page.rows.into_iter().map(|thing| thing.id.unwrap_or_default()).collect();
    let rejected = [Rejection::Malformed, Rejection::UnknownAgent]
        .map(|reason| page.rejections.iter().find(|(other, _)| *other == reason).unwrap().1);
    Ok((ids, rejected, page.total, page.next))
}

fn page(body: &str) -> Result<Read, String> {
    page_of(body, Kept::All)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn rows_are_found_in_every_envelope() {
    let link = || Next::Link("https://h/x".to_owned());
    let table: [(&str, &[&str], Option<u64>, Next); 20] = [
        ("null", &[], None, Next::Unsaid),
        ("{}", &[], None, Next::Unsaid),
        (r#"{"resultSet":{}}"#, &[], None, Next::Unsaid),
        (r#"{"things":[{"id":1},{"id":"2"}]}"#, &["1", "2"], None, Next::Unsaid),
        (r#"{"Things":[{"ID":1},{"Id":"2"}],"TotalRecords":2}"#, &["1", "2"], Some(2), Next::Unsaid),
        (r#"{"things":null,"totalRecords":"0","_links":null}"#, &[], Some(0), Next::Unsaid),
        (r#"{"_links":{"self":"x","next":"https://h/x"},"things":[]}"#, &[], None, link()),
        (r#"{"_links":{"self":{"a":1},"Next":"https:\/\/h/x"},"things":[]}"#, &[], None, link()),
        (r#"{"_links":["https://h/x"],"things":[]}"#, &[], None, Next::Unsaid),
        (r#"{"_links":"https://h/x","things":[]}"#, &[], None, Next::Unsaid),
        (r#"{"_links":{"next":null},"totalRecords":7,"things":[{"id":7}]}"#, &["7"], Some(7), Next::End),
        (r#"{"_links":{"next":""},"things":[]}"#, &[], None, Next::End),
        (r#"{"resultSet":{"things":[{"id":3}],"totalRecords":1,"_links":{}}}"#, &["3"], Some(1), Next::End),
        (r#"{"totalRecords":1,"resultSet":{"things":[{"id":3}]}}"#, &["3"], Some(1), Next::Unsaid),
        (r#"{"resultSet":[{"id":3}]}"#, &["3"], None, Next::Unsaid),
        (r#"{"totalRecords":0}"#, &[], Some(0), Next::Unsaid),
        (r#"{"totalRecords":0,"_links":{"self":"x"}}"#, &[], Some(0), Next::End),
        (r#"{"totalRecords":1e999,"_links":{"next":1e999},"things":[{"id":3}]}"#, &["3"], None, Next::End),
        (r#"{"businessUnitId":7,"things":[],"more":1e999}"#, &[], None, Next::Unsaid),
        (r#"{"resultSet":{"teamId":7,"things":[{"id":3}]}}"#, &["3"], None, Next::Unsaid),
    ];
    for (body, rows, total, next) in table {
        assert_eq!(page(body), Ok((ids(rows), [0, 0], total, next)), "{body}");
    }
}

#[test]
fn an_object_without_the_list_but_with_other_keys_is_no_answer() {
    for body in [
        r#"{"error":"x"}"#,
        r#"{"error":null}"#,
        r#"{"totalRecords":3}"#,
        r#"{"error_description":"the tenant is locked","totalRecords":0}"#,
        r#"{"message":"x","totalRecords":0,"_links":{}}"#,
        r#"{"resultSet":{"message":"x","totalRecords":0}}"#,
        r#"{"message":"x","resultSet":{}}"#,
        r#"{"a key that is longer than any that is looked at":0,"totalRecords":0}"#,
    ] {
        let error = page(body).unwrap_err();
        assert!(error.contains("no `things` could be read from it"), "{body}: {error}");
    }
    let error = page(r#"{"error_description":"the tenant is locked","totalRecords":0}"#).unwrap_err();
    assert!(error.contains("the tenant is locked"), "{error}");
}

#[test]
fn a_malformed_row_costs_one_row() {
    let digits = "1".repeat(400);
    let rows = format!(
        r#"null,7,-7,1.5,true,"x",[1,[2]],1e400,{digits},
        {{}},{{"id":null}},{{"id":{{"a":1}}}},{{"id":1e999}},{{"id":{digits}}},{{"id":"{}"}},
        {{"id":5,"more":[{{}}]}},{{"id":6,"size":1e400,"more":-1e999}},{{"id":7,"size":{digits}}},{{"id":"\ud83d"}},
        {{"\udc00":0,"id":8}}"#,
        "x".repeat(200)
    );
    for body in [format!(r#"{{"things":[{rows}]}}"#), format!(r#"{{"resultSet":[{rows}]}}"#)] {
        let kept = ids(&["5", "6", "7", "\u{fffd}", "8"]);
        assert_eq!(page(&body), Ok((kept, [9, 6], None, Next::Unsaid)), "{body}");
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
        // Rows that are not kept count as well.
        let body = format!(r#"{{"things":[{}]}}"#, vec!["7"; usize::try_from(count).unwrap()].join(","));
        match decode::<Thing>(body.as_bytes(), Kept::All, u64::MAX) {
            Ok(page) => assert_eq!((page.found, is_read), (count, true)),
            Err(DecodeError::TooMuch(reason)) => assert!(!is_read && reason.contains("100000 rows"), "{reason}"),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn memory_of_rows_is_limited() {
    let body = r#"{"things":[{"id":"1","x":"xxxxxxxxxxxx"},7,{"id":"22"}]}"#;
    let room = 2 * size_of::<Thing>() as u64 + 3 + 4;
    assert_eq!(decode::<Thing>(body.as_bytes(), Kept::All, room).unwrap().bytes, room);
    let error = decode::<Thing>(body.as_bytes(), Kept::All, room - 1).unwrap_err();
    assert!(matches!(&error, DecodeError::TooMuch(reason) if reason.contains("0 MiB left")), "{error:?}");
}

#[test]
fn rows_links_and_ids_have_a_longest_length() {
    let body = |length: usize| format!(r#"{{"things":[{{"id":1,"x":"{}"}},{{"id":2}}]}}"#, "x".repeat(length));
    assert_eq!(page(&body(MAX_ROW_BYTES - 15)).unwrap().1, [0, 0]);
    assert_eq!(page(&body(MAX_ROW_BYTES)), Ok((ids(&["2"]), [1, 0], None, Next::Unsaid)));
    let link = format!(r#"{{"things":[],"_links":{{"next":"?{}"}}}}"#, "x".repeat(MAX_LINK_BYTES));
    assert_eq!(page(&link).unwrap().3, Next::Unsaid);
}

#[test]
fn only_rows_of_wanted_agents_are_kept() {
    let body = r#"{"things":[{"id":1},{"id":2},{"size":3}]}"#;
    let wanted = HashSet::from([AgentId::from("2")]);
    for (kept, rows, without_id) in
        [(Kept::All, &["1", "2"][..], 1), (Kept::Of(&wanted), &["2"], 1), (Kept::WithoutId, &["1", "2", ""], 0)]
    {
        assert_eq!(page_of(body, kept), Ok((ids(rows), [0, without_id], None, Next::Unsaid)), "{kept:?}");
        assert_eq!(decode::<Thing>(body.as_bytes(), kept, u64::MAX).unwrap().found, 3);
    }
}

#[test]
fn keys_are_read_whatever_their_case_and_even_twice() {
    let body = r#"{"agentStates":[{"AgentId":100001,"AgentStateId":2,"AgentStateName":"Unavailable","IsACW":false,
        "isAcw":true,"OutStateId":7,"OutStateDescription":null,"outStateDescription":"Lunch",
        "StartDate":"2015-05-21T21:07:40.72Z","LastUpdateTime":"2015-05-21T21:07:40.723Z","TeamId":200001}]}"#;
    let page = decode::<StateRecord>(body.as_bytes(), Kept::All, u64::MAX).unwrap();
    let [row] = &page.rows[..] else { panic!() };
    assert_eq!((row.agent_id.as_deref(), row.team_id.as_deref()), (Some("100001"), Some("200001")));
    assert_eq!((row.state.id, row.state.acw), (Some(2), Some(true)));
    assert_eq!(row.state.description.as_deref(), Some("Lunch"));
    assert!(row.start_date.is_some() && row.last_update_time.is_some());

    let body = r#"{"agentStateHistory":[{"AGENTID":"1","duration":600.5,"stateIndex":"0","agentSessionId":9002}]}"#;
    let page = decode::<HistoryRecord>(body.as_bytes(), Kept::All, u64::MAX).unwrap();
    let [row] = &page.rows[..] else { panic!() };
    assert_eq!(row.duration, Some(Ok(Micros::new(600_500_000))));
    assert_eq!((row.agent_session_id, row.state_index), (Some(9002), Some(0)));
}
