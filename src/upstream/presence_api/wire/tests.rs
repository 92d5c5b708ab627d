//! Every odd answer, by example; and that pages may be cut and ordered at will.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::presence::{Rejection, TallyOutcome, Timestamp, WatchedAgent, Window};

fn tally() -> Tally {
    let start = Timestamp::parse(b"2023-10-27T10:00:00Z").unwrap();
    let end = Timestamp::parse(b"2023-10-28T10:00:00Z").unwrap();
    let agents = ["4711", "12345678901234567890", "ß\"1"].map(|id| WatchedAgent { id: Arc::from(id), schedule: None });
    Tally::new(Window { start, end }, agents.to_vec(), Arc::from([]), &[])
}

/// What the tally came to, as `agent/state=microseconds`, and what was rejected.
fn printed(outcome: &TallyOutcome) -> (String, String) {
    let agents = outcome.agents.iter().enumerate().filter_map(|(at, agent)| Some((at, agent.as_ref()?)));
    let states = agents
        .flat_map(|(at, agent)| agent.states.iter().map(move |(name, time)| format!("{at}/{name}={}", time.get())));
    let rejected = outcome.rejections.iter().filter(|(_, count)| *count > 0);
    let rejected = rejected.map(|(reason, count)| format!("{}={count}", reason.label()));
    (states.collect::<Vec<_>>().join(" "), rejected.collect::<Vec<_>>().join(" "))
}

/// A record of agent 4711 for an hour, with these `states`.
fn record(states: &str) -> String {
    format!(
        r#"{{"agentId":"4711","startTime":"2023-10-27T10:00:00Z","endTime":"2023-10-27T11:00:00Z","states":{states}}}"#
    )
}

#[test]
fn the_documented_answer_is_counted() {
    let body = r#"{
        "data": [
            {
                "agentId": "4711",
                "startTime": "2023-10-27T10:00:00Z",
                "endTime": "2023-10-27T11:00:00Z",
                "states": [
                    {"state": "Available", "duration": 1800, "percentage": 50.0},
                    {"state": "WrapUp", "duration": 12.5, "percentage": 0.35}
                ]
            }
        ],
        "nextPageToken": "abc"
    }"#;
    let mut tally = tally();
    let page = decode_page(body.as_bytes(), &mut tally).unwrap();
    assert_eq!(page, Page { next_page_token: Some("abc".to_owned()), buckets: 1 });
    let counted = ("0/Available=1800000000 0/WrapUp=12500000".to_owned(), String::new());
    assert_eq!(printed(&tally.finish()), counted);
}

#[test]
fn odd_answers_are_read_for_what_they_say() {
    let one = |states: &str| format!(r#"{{"data":[{}]}}"#, record(states));
    let busy = "0/Busy=5000000";
    let table: &[(&str, String, &str, &str)] = &[
        ("no data, null", r#"{"data":null}"#.into(), "", ""),
        ("no data, absent", "{}".into(), "", ""),
        ("no data, empty", r#"{"data":[],"total":0}"#.into(), "", ""),
        ("a byte order mark", format!("\u{feff}{}", one(r#"[{"state":"Busy","duration":5}]"#)), busy, ""),
        ("space around", format!(" \r\n\t{} \n", one(r#"[ { "state" : "Busy" , "duration" : 5 } ]"#)), busy, ""),
        (
            "fields in another order",
            r#"{"nextPageToken":null,"data":[{"states":[{"percentage":1,"duration":5,"state":"Busy"}],"endTime":"2023-10-27T11:00:00Z","startTime":"2023-10-27T10:00:00Z","agentId":"4711"}]}"#.into(),
            busy,
            "",
        ),
        (
            "undocumented fields, some of them twice",
            r#"{"took":{"ms":[1,2,{"a":null}]},"data":[{"x":1,"x":[[]],"agentId":"4711","teamId":7.5,"startTime":"2023-10-27T10:00:00Z","endTime":"2023-10-27T11:00:00Z","states":[{"state":"Busy","note":{"data":[]},"duration":5}]}],"took":true}"#.into(),
            busy,
            "",
        ),
        ("keys that are escaped", one(r#"[{"st\u0061te":"Busy","duration":5}]"#), busy, ""),
        ("an id as a number", one(r#"[{"state":"Busy","duration":5}]"#).replace(r#""4711""#, "4711"), busy, ""),
        (
            "an id of twenty digits as a string",
            one(r#"[{"state":"Busy","duration":5}]"#).replace("4711", "12345678901234567890"),
            "1/Busy=5000000",
            "",
        ),
        (
            "the greatest id that fits a number",
            one(r#"[{"state":"Busy","duration":5}]"#).replace(r#""4711""#, "12345678901234567890"),
            "1/Busy=5000000",
            "",
        ),
        ("an id below zero", one(r#"[{"state":"Busy","duration":5}]"#).replace(r#""4711""#, "-4711"), "", "unknown_agent=1"),
        ("an id with escapes", one(r#"[{"state":"Busy","duration":5}]"#).replace("4711", r#"\u00df\"1"#), "2/Busy=5000000", ""),
        ("an id that is null", one(r#"[{"state":"Busy","duration":5}]"#).replace(r#""4711""#, "null"), "", "unknown_agent=1"),
        ("an id that was not requested", one(r#"[{"state":"Busy","duration":5}]"#).replace("4711", "4712"), "", "unknown_agent=1"),
        ("an empty record", r#"{"data":[{}]}"#.into(), "", "unknown_agent=1"),
        ("a start that is no time", one("[]").replace("10:00:00Z", "noon"), "", "bad_time=1"),
        ("an end that is null", one("[]").replace(r#""2023-10-27T11:00:00Z""#, "null"), "", "bad_time=1"),
        ("an end that is missing", one("[]").replace("endTime", "until"), "", "bad_time=1"),
        (
            "times with a zone, and without",
            one(r#"[{"state":"Busy","duration":5}]"#).replace("10:00:00Z", "12:00:00+02:00").replace("11:00:00Z", "11:00:00"),
            busy,
            "",
        ),
        ("times with escapes", one(r#"[{"state":"Busy","duration":5}]"#).replace("10:00:00Z", r"10:00:00\u005a"), busy, ""),
        ("no states", one("[]"), "", ""),
        ("states that are null", one("null"), "", ""),
        ("states that are missing", one("[]").replace("states", "stats"), "", ""),
        ("a state without a name", one(r#"[{"duration":5}]"#), "0/Unknown=5000000", ""),
        ("a state that is null", one(r#"[{"state":null,"duration":5}]"#), "0/Unknown=5000000", ""),
        ("a state without letters", one(r#"[{"state":"","duration":5}]"#), "0/Unknown=5000000", ""),
        ("a state with escapes", one(r#"[{"state":"\ud83c\udf55 \"x\"","duration":5}]"#), "0/🍕 \"x\"=5000000", ""),
        ("a state with a line break", one(r#"[{"state":"a\nb","duration":5}]"#), "0/a\nb=5000000", ""),
        ("an empty entry", one("[{}]"), "0/Unknown=0", ""),
        ("a duration that is missing", one(r#"[{"state":"Busy"}]"#), "0/Busy=0", ""),
        ("a duration that is null", one(r#"[{"state":"Busy","duration":null}]"#), "0/Busy=0", ""),
        ("a duration with a fraction", one(r#"[{"state":"Busy","duration":0.1234567}]"#), "0/Busy=123457", ""),
        ("a duration with an exponent", one(r#"[{"state":"Busy","duration":5e0}]"#), busy, ""),
        ("a duration that is zero and below", one(r#"[{"state":"Busy","duration":-0}]"#), "0/Busy=0", ""),
        ("a duration in a string", one(r#"[{"state":"Busy","duration":"5"}]"#), busy, ""),
        ("a decimal duration in a string", one(r#"[{"state":"Busy","duration":" 5.0 "}]"#), busy, ""),
        ("a duration below zero", one(r#"[{"state":"Busy","duration":-5}]"#), "", "negative=1"),
        ("a decimal duration below zero", one(r#"[{"state":"Busy","duration":-0.5}]"#), "", "negative=1"),
        ("a duration below zero in a string", one(r#"[{"state":"Busy","duration":"-5"}]"#), "", "negative=1"),
        ("a duration that is no number", one(r#"[{"state":"Busy","duration":"NaN"}]"#), "", "not_finite=1"),
        ("a duration without end", one(r#"[{"state":"Busy","duration":"1e999"}]"#), "", "not_finite=1"),
        ("a duration in words", one(r#"[{"state":"Busy","duration":"PT5S"}]"#), "", "not_finite=1"),
        ("a duration past all bounds", one(r#"[{"state":"Busy","duration":99999999999999999999}]"#), "0/Busy=3600000000", "over_length=1"),
        ("a record twice", format!(r#"{{"data":[{0},{0}]}}"#, record(r#"[{"state":"Busy","duration":5}]"#)), busy, "duplicate=1"),
    ];
    for (oddity, body, states, rejected) in table {
        let mut tally = tally();
        let page = decode_page(body.as_bytes(), &mut tally).unwrap_or_else(|error| panic!("{oddity}: {error}"));
        assert_eq!(page.next_page_token, None, "{oddity}");
        assert_eq!(printed(&tally.finish()), ((*states).to_owned(), (*rejected).to_owned()), "{oddity}");
    }
}

#[test]
fn page_tokens_end_where_there_is_none() {
    let table = [
        (r#"{"nextPageToken":"abc"}"#, Some("abc")),
        (r#"{"nextPageToken":"a\u0062c","data":[]}"#, Some("abc")),
        (r#"{"nextPageToken":2}"#, Some("2")),
        (r#"{"nextPageToken":" "}"#, Some(" ")),
        (r#"{"nextPageToken":""}"#, None),
        (r#"{"nextPageToken":null}"#, None),
        ("{}", None),
    ];
    for (body, token) in table {
        let page = decode_page(body.as_bytes(), &mut tally()).unwrap();
        assert_eq!(page, Page { next_page_token: token.map(str::to_owned), buckets: 0 }, "{body}");
    }
}

#[test]
fn errors_name_the_place_and_quote_nothing() {
    let in_record = |states: &str| format!("{{\"data\":[{},\n{}]}}", record("[]"), record(states));
    let table: &[(String, &str)] = &[
        (String::new(), "EOF while parsing a value at line 1 column 0"),
        ("SECRET".into(), "expected value at line 1 column 1"),
        ("<html>SECRET</html>".into(), "expected value at line 1 column 1"),
        ("[]".into(), "the answer must be an object at line 1 column 2"),
        ("\"SECRET\"".into(), "the answer must be an object at line 1 column 8"),
        ("null".into(), "the answer must be an object at line 1 column 4"),
        ("{} SECRET".into(), "trailing characters at line 1 column 4"),
        ("{}{}".into(), "trailing characters at line 1 column 3"),
        ("{\"data\":".into(), "EOF while parsing a value at line 1 column 8"),
        ("{\"data\":[".into(), "EOF while parsing a list at line 1 column 9"),
        ("{'data':[]}".into(), "key must be a string at line 1 column 2"),
        ("{\"data\":[],}".into(), "trailing comma at line 1 column 12"),
        ("{\"data\":\"SECRET\"}".into(), "data must be a list or null at line 1 column 16"),
        ("{\"data\":{\"SECRET\":1}}".into(), "data must be a list or null at line 1 column 9"),
        ("{\"data\":false}".into(), "data must be a list or null at line 1 column 13"),
        ("{\"data\":null,\"data\":[]}".into(), "data must be there only once at line 1 column 19"),
        (
            "{\"nextPageToken\":\"\",\"nextPageToken\":\"SECRET\"}".into(),
            "nextPageToken must be there only once at line 1 column 35",
        ),
        (
            "{\"nextPageToken\":1.5}".into(),
            "nextPageToken must be a string, a whole number or null at line 1 column 20",
        ),
        (
            "{\"nextPageToken\":[\"SECRET\"]}".into(),
            "nextPageToken must be a string, a whole number or null at line 1 column 18",
        ),
        ("{\"data\":[null]}".into(), "data[0] must be an object at line 1 column 13"),
        ("{\"data\":[\"SECRET\"]}".into(), "data[0] must be an object at line 1 column 17"),
        (
            "{\"data\":[{\"agentId\":123456789012345678901234567890}]}".into(),
            "data[0].agentId must be a string, a whole number or null at line 1 column 50",
        ),
        (
            "{\"data\":[{\"agentId\":true}]}".into(),
            "data[0].agentId must be a string, a whole number or null at line 1 column 24",
        ),
        (
            "{\"data\":[{\"startTime\":1698400800}]}".into(),
            "data[0].startTime must be a string or null at line 1 column 32",
        ),
        ("{\"data\":[{\"endTime\":[]}]}".into(), "data[0].endTime must be a string or null at line 1 column 22"),
        (
            "{\"data\":[{\"endTime\":null,\"endTime\":null}]}".into(),
            "data[0].endTime must be there only once at line 1 column 34",
        ),
        (in_record("\"SECRET\""), "data[1].states must be a list or null at line 2 column 103"),
        (in_record("{}"), "data[1].states must be a list or null at line 2 column 97"),
        (in_record("[],\"states\":[]"), "data[1].states must be there only once at line 2 column 106"),
        (in_record("[{},\"SECRET\"]"), "data[1].states[1] must be an object at line 2 column 107"),
        (in_record("[{},{\"state\":5}]"), "data[1].states[1].state must be a string or null at line 2 column 109"),
        (
            in_record("[{\"duration\":\"SECRET\",\"duration\":1}]"),
            "data[1].states[0].duration must be there only once at line 2 column 127",
        ),
        (
            in_record("[{\"duration\":true}]"),
            "data[1].states[0].duration must be a number, a string that holds one, or null at line 2 column 112",
        ),
        (
            in_record("[{\"duration\":[1]}]"),
            "data[1].states[0].duration must be a number, a string that holds one, or null at line 2 column 109",
        ),
        (in_record("[{\"duration\":1e999}]"), "number out of range at line 2 column 113"),
        (in_record("[{\"duration\":1SECRET}]"), "expected `,` or `}` at line 2 column 110"),
        (in_record("[{\"state\":\"\\ud800SECRET\"}]"), "unexpected end of hex escape at line 2 column 113"),
        (
            in_record("[{\"state\":\"SEC\nRET\"}]"),
            "control character (\\u0000-\\u001F) found while parsing a string at line 3 column 0",
        ),
        (format!("{{\"x\":{}", "[".repeat(10_000)), "EOF while parsing a list at line 1 column 10005"),
    ];
    for (body, message) in table {
        let mut tally = tally();
        let error = decode_page(body.as_bytes(), &mut tally).expect_err(body).to_string();
        assert_eq!(error, *message, "{body}");
        assert!(!error.contains("SECRET"));
        assert_eq!(tally.finish(), self::tally().finish(), "{body}");
    }
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_its_place() {
    let error = decode_page(b"{\"data\":null,\n\"x\":\"\xff\"}", &mut tally()).unwrap_err();
    assert_eq!(error.to_string(), "the answer is not UTF-8 at line 2 column 6");
}

#[test]
fn a_body_cut_anywhere_leaves_the_tally_as_it_was() {
    let body =
        format!("{{\"data\":[{0},{0}]}}", record(r#"[{"state":"Busy \u00e9","duration":5.25,"percentage":0.1}]"#));
    for end in 0..body.len() {
        let mut tally = tally();
        decode_page(&body.as_bytes()[..end], &mut tally).unwrap_err();
        assert_eq!(tally.finish(), self::tally().finish());
    }
}

/// A record by numbers: agent, hour, and seconds in up to four states.
type Drawn = (usize, i64, Vec<(usize, u32)>);

fn written((agent, hour, states): &Drawn, names_first: bool) -> String {
    let agent = ["4711", "12345678901234567890", "9"][*agent];
    let start = Timestamp::parse(b"2023-10-27T09:30:00Z").unwrap()
        + std::time::Duration::from_secs(3_600 * hour.unsigned_abs());
    let end = start + std::time::Duration::from_secs(3_600);
    let states: Vec<_> =
        states.iter().map(|(state, seconds)| format!(r#"{{"state":"S{state}","duration":{seconds}}}"#)).collect();
    let (times, states) = (format!(r#""startTime":"{start}","endTime":"{end}""#), states.join(","));
    if names_first {
        format!(r#"{{"agentId":"{agent}",{times},"states":[{states}]}}"#)
    } else {
        format!(r#"{{"states":[{states}],{times},"agentId":{agent}}}"#)
    }
}

proptest! {
    #[test]
    fn pages_may_be_cut_and_ordered_at_will(
        records in prop::collection::vec((0..3_usize, 0..26_i64, prop::collection::vec((0..4_usize, 0..1_500_u32), 0..4)), 0..40),
        sizes in prop::collection::vec(1..10_usize, 1..10),
        seed in any::<u64>(),
    ) {
        let page = |records: &[(&Drawn, bool)]| {
            let records: Vec<_> = records.iter().map(|(record, names_first)| written(record, *names_first)).collect();
            format!(r#"{{"data":[{}]}}"#, records.join(","))
        };
        let straight: Vec<(&Drawn, bool)> = records.iter().map(|record| (record, true)).collect();
        let mut one_page = tally();
        prop_assert_eq!(decode_page(page(&straight).as_bytes(), &mut one_page).unwrap().buckets, records.len());

        let mut random = fastrand::Rng::with_seed(seed);
        let mut shuffled: Vec<(&Drawn, bool)> = records.iter().map(|record| (record, random.bool())).collect();
        random.shuffle(&mut shuffled);
        let (mut many_pages, mut rest) = (tally(), shuffled.as_slice());
        for size in sizes.into_iter().cycle() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            let body = page(now);
            // The page comes cut first, and then again in full.
            decode_page(&body.as_bytes()[..random.usize(..body.len())], &mut many_pages).unwrap_err();
            decode_page(body.as_bytes(), &mut many_pages).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let (straight, shuffled) = (one_page.finish(), many_pages.finish());
        prop_assert_eq!(straight.agents, shuffled.agents);
        let unknown = |rejected: &crate::presence::Rejections| rejected.iter().find(|(reason, _)| *reason == Rejection::UnknownAgent);
        prop_assert_eq!(unknown(&straight.rejections), unknown(&shuffled.rejections));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode_page(&body, &mut tally());
    }
}
