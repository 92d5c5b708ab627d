//! Unusual answers by example; pages in any order and of any size.

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
fn documented_answer() {
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
fn unusual_answers() {
    let one = |states: &str| format!(r#"{{"data":[{}]}}"#, record(states));
    let busy = "0/Busy=5000000";
    let table: &[(&str, String, &str, &str)] = &[
        ("no data, null", r#"{"data":null}"#.into(), "", ""),
        ("no data, absent", "{}".into(), "", ""),
        ("no data, empty", r#"{"data":[],"total":0}"#.into(), "", ""),
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
fn missing_page_token_ends_paging() {
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
    let table: &[(&str, &str)] = &[
        ("", "EOF while parsing a value at line 1 column 0"),
        (" \n", "EOF while parsing a value at line 2 column 0"),
        ("SECRET", "expected value at line 1 column 1"),
        ("<html>SECRET</html>", "expected value at line 1 column 1"),
        ("[]", "the answer must be an object at line 1 column 2"),
        ("\"SECRET\"", "the answer must be an object at line 1 column 8"),
        ("null", "the answer must be an object at line 1 column 4"),
        ("{} SECRET", "trailing characters at line 1 column 4"),
        ("{}{}", "trailing characters at line 1 column 3"),
        ("{\"data\":", "EOF while parsing a value at line 1 column 8"),
        ("{\"data\":[", "EOF while parsing a list at line 1 column 9"),
        ("{'data':[]}", "key must be a string at line 1 column 2"),
        ("{\"data\":[],}", "trailing comma at line 1 column 12"),
        ("{\"data\":\"SECRET\"}", "data must be a list or null at line 1 column 16"),
        ("{\"data\":{\"SECRET\":1}}", "data must be a list or null at line 1 column 9"),
        ("{\"data\":false}", "data must be a list or null at line 1 column 13"),
        ("{\"data\":null,\"data\":[]}", "data must be there only once at line 1 column 19"),
        ("{\"error\":\"SECRET\"}", "data must be a list or null at line 1 column 18"),
        ("{\"total\":0,\"nextPageToken\":null}", "data must be a list or null at line 1 column 32"),
        (
            "{\"nextPageToken\":\"\",\"nextPageToken\":\"SECRET\"}",
            "nextPageToken must be there only once at line 1 column 35",
        ),
        ("{\"nextPageToken\":1.5}", "nextPageToken must be a string, a whole number or null at line 1 column 20"),
        (
            "{\"nextPageToken\":[\"SECRET\"]}",
            "nextPageToken must be a string, a whole number or null at line 1 column 18",
        ),
        ("{\"data\":[1SECRET]}", "expected `,` or `]` at line 1 column 11"),
        ("{\"data\":[{\"duration\":NaN}]}", "expected value at line 1 column 22"),
        (
            "{\"data\":[{\"agentId\":\"SEC\nRET\"}]}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 24",
        ),
    ];
    let deep = format!("{{\"x\":{}", "[".repeat(10_000));
    for (body, message) in table.iter().chain([&(&*deep, "EOF while parsing a list at line 1 column 10005")]) {
        let mut tally = tally();
        let error = decode_page(body.as_bytes(), &mut tally).expect_err(body).to_string();
        assert_eq!(error, *message, "{body}");
        assert!(!error.contains("SECRET"));
        assert_eq!(tally.finish(), self::tally().finish(), "{body}");
    }
    assert!(decode_page(b"{\"nextPageToken\":\"\xff\"}", &mut tally()).is_err(), "it could not be sent back");
}

#[test]
fn one_bad_record_costs_one_record() {
    let good = record(r#"[{"state":"Busy","duration":5}]"#);
    let other = good.replace("10:00:00Z", "12:00:00Z").replace("11:00:00Z", "13:00:00Z");
    let table: Vec<(String, &str, &str)> = vec![
        ("null".into(), "", "malformed=1"),
        ("\"SECRET\"".into(), "", "malformed=1"),
        ("[[]]".into(), "", "malformed=1"),
        (other.replace(r#""4711""#, "123456789012345678901234567890"), "", "malformed=1"),
        (other.replace(r#""4711""#, "true"), "", "malformed=1"),
        (other.replace(r#""4711""#, r#"{"id":"4711"}"#), "", "malformed=1"),
        (other.replace(r#""2023-10-27T12:00:00Z""#, "1698400800"), "", "malformed=1"),
        (other.replace(r#""startTime""#, r#""endTime":null,"startTime""#), "", "malformed=1"),
        (other.replace("[{", "{\"x\":[{").replace("}]", "}]}"), "", "malformed=1"),
        (other.replace("[{", "[5,{"), "", "malformed=1"),
        (other.replace(r#""Busy""#, "5"), "", "malformed=1"),
        (other.replace(":5", ":true"), "", "malformed=1"),
        (other.replace(":5", ":[1]"), "", "malformed=1"),
        (other.replace(":5", ":1e999"), "", "malformed=1"),
        (other.replace(":5", r#":-1},{"duration":{}"#), "", "negative=1 malformed=1"),
        (other.replace(":5", &format!(":{}{}", "[".repeat(9_000), "]".repeat(9_000))), "", "malformed=1"),
        // Text is repaired.
        (other.replace("Busy", r"\ud83d"), "0/\u{fffd}=5000000", ""),
        (other.replace("Busy", r"a\ude00b"), "0/a\u{fffd}b=5000000", ""),
        (other.replace(r#""agentId""#, r#""name":"\ud83d","agentId""#), "0/Busy=10000000", ""),
    ];
    for (bad, states, rejected) in &table {
        for data in [format!("{good},{bad}"), format!("{bad},{good}")] {
            let mut tally = tally();
            let page = decode_page(format!("{{\"data\":[{data}]}}").as_bytes(), &mut tally).expect(bad);
            assert_eq!(page.buckets, 2, "{bad}");
            let expected =
                if states.contains("Busy") { (*states).to_owned() } else { format!("0/Busy=5000000 {states}") };
            assert_eq!(printed(&tally.finish()), (expected.trim().to_owned(), (*rejected).to_owned()), "{bad}");
        }
    }
    let mut tally = tally();
    let bytes = [b"{\"data\":[", other.replace("Busy", "Z\u{1}").as_bytes(), b"]}"].concat();
    let bytes: Vec<u8> = bytes.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    decode_page(&bytes, &mut tally).unwrap();
    assert_eq!(printed(&tally.finish()), ("0/Z\u{fffd}=5000000".into(), String::new()));
}

#[test]
fn a_cut_body_leaves_the_tally_unchanged() {
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
    fn order_and_size_of_pages_do_not_matter(
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
    fn any_bytes_decode_or_are_refused(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = decode_page(&body, &mut tally());
    }
}
