//! Bodies that are too large, wrongly encoded, not JSON, or JSON of another shape.

use super::*;

const MEBIBYTE: usize = 1024 * 1024;

/// The second agent with only its first page counted in full.
const HALF: Data = Data::Only(&[("Available", 1200.0), ("Offline", 2400.0)]);

/// The last page fails its batch without a retry.
fn refused(warnings: &'static [&'static str]) -> Outcome {
    partial("200=3 decode=1", 0.0, warnings)
}

fn body(text: impl Into<Vec<u8>>) -> Fault {
    last(Response::json(text))
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let large: &[&str] = &["is larger than 32 MiB"];
    check(vec![
        ("a gzip bomb", last(Response::json(vec![b' '; 48 * MEBIBYTE]).gzip()), refused(large)),
        ("a body without end", last(Response::json(vec![b' '; MEBIBYTE / 16]).endless()), refused(large)),
        ("a length over the limit", last(Response::json(vec![b' '; 33 * MEBIBYTE])), refused(large)),
        (
            "an error without end",
            last(Response::status(400).body(vec![b'x'; MEBIBYTE / 64]).endless()),
            partial("200=3 400=1", 0.0, &["(400)"]),
        ),
        (
            "a token without end",
            token(Response::json(vec![b' '; MEBIBYTE / 64]).endless()),
            failed("token:decode=1", 0.0, &["is larger than 64 KiB"]),
        ),
    ])
    .await;
}

/// The last page in gzip, under another name.
fn compressed(encoding: &'static str) -> Fault {
    Fault::new(Hits::LastPage, move |request| {
        let compressed = Response::json(page(request, 1)).gzip().into_body();
        Response::json(compressed).header("Content-Encoding", encoding)
    })
}

/// The last page in gzip of two members.
fn several_members() -> Fault {
    Fault::new(Hits::LastPage, |request| {
        let page = page(request, 1);
        let (one, two) = page.split_at(page.len() / 2);
        let members = [one, two].map(|part| Response::json(part).gzip().into_body());
        Response::json(members.concat()).header("Content-Encoding", "gzip")
    })
}

/// The last page with a state's name in bytes that are not UTF-8.
fn not_utf8() -> Fault {
    Fault::new(Hits::LastPage, |request| {
        let page = page(request, 1).replace("Available", "\u{1}\u{2}").into_bytes();
        let invalid = page.into_iter().map(|byte| match byte {
            1 => 0xff,
            2 => 0xc3,
            byte => byte,
        });
        Response::json(invalid.collect::<Vec<u8>>())
    })
}

#[tokio::test]
async fn content_types_and_encodings() {
    let trailing = |request: &Request| {
        let answer = Response::json(page(request, 1)).gzip();
        answer.header("X-Note", "the length and the encoding are right")
    };
    let typed = |request: &Request| Response::status(200).header("Content-Type", "text/plain").body(page(request, 1));
    check(vec![
        (
            "a login page",
            last(Response::status(200).header("Content-Type", "text/html").body("<html>log in</html>")),
            refused(&["with text/html instead of JSON"]),
        ),
        ("JSON of another type", Fault::new(Hits::LastPage, typed), healed("200=4", 0.0)),
        (
            "bad gzip",
            last(Response::json("{}").header("Content-Encoding", "gzip")),
            refused(&["is not the compressed data that it says it is"]),
        ),
        (
            "an encoding not asked for",
            last(Response::json("\x01\x02").header("Content-Encoding", "br")),
            refused(&["in the encoding br, which was not asked for"]),
        ),
        ("good gzip", Fault::new(Hits::LastPage, trailing), healed("200=4", 0.0)),
        ("gzip in other letters", compressed("GZip"), healed("200=4", 0.0)),
        ("x-gzip", compressed("x-gzip"), healed("200=4", 0.0)),
        (
            "identity",
            Fault::new(Hits::LastPage, |request| {
                Response::json(page(request, 1)).header("Content-Encoding", "Identity")
            }),
            healed("200=4", 0.0),
        ),
        ("gzip of several members", several_members(), healed("200=4", 0.0)),
        (
            "a byte order mark in gzip",
            Fault::new(Hits::LastPage, |request| Response::json(format!("\u{feff}{}", page(request, 1))).gzip()),
            healed("200=4", 0.0),
        ),
        (
            "two encodings",
            last(Response::json("\x01\x02").header("Content-Encoding", "gzip, br")),
            refused(&["in the encoding gzip, br, which was not asked for"]),
        ),
        ("a byte order mark", altered(|page| format!("\u{feff}{page}")), healed("200=4", 0.0)),
    ])
    .await;
}

#[tokio::test]
async fn invalid_json() {
    let no_json: &[&str] = &["is not what the API documents: it is not JSON"];
    let shape: &[&str] = &["is not what the API documents: it has another shape"];
    check(vec![
        ("words", body("nonsense"), refused(no_json)),
        ("two values", body("{} {}"), refused(no_json)),
        ("NaN", altered(|page| page.replace("2400.0", "NaN")), refused(no_json)),
        ("Infinity", altered(|page| page.replace("2400.0", "Infinity")), refused(no_json)),
        ("a bare NUL", altered(|page| page.replace("Available", "\0")), refused(no_json)),
        ("UTF-16", body(&b"\xff\xfe{\0}\0"[..]), refused(no_json)),
        ("deep nesting", body("[".repeat(100_000) + &"]".repeat(100_000)), refused(&["is not what the API documents"])),
        (
            "deep nesting in what is skipped",
            altered(|page| page.replacen('{', &format!(r#"{{"x":{}{},"#, "[".repeat(9_000), "]".repeat(9_000)), 1)),
            healed("200=4", 0.0),
        ),
        ("a list", body("[1, 2]"), refused(shape)),
        ("null", body("null"), refused(shape)),
        ("data of text", body(r#"{"data":"x"}"#), refused(shape)),
        ("an error", body(r#"{"error":{"code":"Internal"}}"#), refused(shape)),
        ("data that is there twice", body(r#"{"data":[],"data":[]}"#), refused(shape)),
        ("a page token that is a list", body(r#"{"data":[],"nextPageToken":["x"]}"#), refused(shape)),
    ])
    .await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_repaired() {
    let repaired = Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("\u{fffd}\u{fffd}", 1200.0)]);
    check(vec![("in a state's name", not_utf8(), healed("200=4", 0.0).serving([Data::New, repaired]))]).await;
}

#[tokio::test]
async fn one_bad_record_costs_one_record() {
    let served = |data, rejected| healed("200=4", 0.0).serving([Data::New, data]).rejecting(rejected);
    let bad_record: [(&str, Fault); 5] = [
        ("a record of text", body(r#"{"data":["x"]}"#)),
        ("states of text", altered(|page| page.replacen(r#""states":["#, r#""states":"x","y":["#, 1))),
        ("a duration that is a list", altered(|page| page.replace("2400.0", "[2400]"))),
        ("a number without end", altered(|page| page.replace("2400.0", "1e999"))),
        ("a field twice", altered(|page| page.replacen(r#""agentId""#, r#""agentId":"7","agentId""#, 1))),
    ];
    check(bad_record.into_iter().map(|(name, fault)| (name, fault, served(HALF, "malformed=1"))).collect()).await;
    let repaired = Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("\u{fffd}", 1200.0)]);
    let half_emoji = altered(|page| page.replace("Available", r"\ud83d"));
    check(vec![("half an emoji", half_emoji, served(repaired, ""))]).await;
}

#[tokio::test]
async fn missing_and_invalid_fields() {
    let served = |data| healed("200=4", 0.0).serving([Data::New, data]);
    let unknown = Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("Unknown", 1200.0)]);
    let no_offline = Data::Only(&[("Available", 2400.0), ("Offline", 2400.0)]);
    check(vec![
        ("no data", body("{}"), served(HALF)),
        ("data that is null", body(r#"{"data":null,"nextPageToken":null}"#), served(HALF)),
        ("a token that is empty", body(r#"{"data":[],"nextPageToken":""}"#), served(HALF)),
        ("unknown fields", altered(|page| page.replacen('{', r#"{"x":{"y":[1,{"z":null}]},"#, 1)), served(Data::New)),
        ("no state name", altered(|page| page.replace(r#""state":"Available","#, "")), served(unknown)),
        ("a state name that is null", altered(|page| page.replace(r#""Available""#, "null")), served(unknown)),
        ("no duration", altered(|page| page.replace(r#","duration":2400.0"#, "")), served(no_offline)),
        ("a duration that is null", altered(|page| page.replace("2400.0", "null")), served(no_offline)),
        ("a duration in quotes", altered(|page| page.replace("2400.0", r#""2400""#)), served(Data::New)),
        (
            "a duration of words",
            altered(|page| page.replace("2400.0", r#""long""#)),
            served(no_offline).rejecting("not_finite=1"),
        ),
        (
            "a negative duration",
            altered(|page| page.replace("2400.0", "-2400")),
            served(no_offline).rejecting("negative=1"),
        ),
        (
            "more than a bucket holds",
            altered(|page| page.replace("2400.0", "6000").replace(":1200,", ":1200.0,")),
            served(Data::Only(&[("Available", 1800.0), ("Offline", 5400.0)])).rejecting("over_length=1"),
        ),
        ("no states", altered(|page| page.replace(r#""states""#, r#""x""#)), served(HALF)),
        ("no agent", altered(|page| page.replace("agentId", "id")), served(HALF).rejecting("unknown_agent=1")),
        (
            "another agent",
            altered(|page| page.replace("1000000000000000001", "7")),
            served(HALF).rejecting("unknown_agent=1"),
        ),
        (
            "an id without quotes",
            altered(|page| page.replace(r#""1000000000000000001""#, "1000000000000000001")),
            served(Data::New),
        ),
        ("no times", altered(|page| page.replace("Time", "")), served(HALF).rejecting("bad_time=1")),
        ("times of words", altered(|page| page.replace("2026-", "long ago-")), served(HALF).rejecting("bad_time=1")),
        (
            "a time long past",
            altered(|page| page.replace("2026-", "1999-")),
            served(HALF).rejecting("outside_window=1"),
        ),
        (
            "a time that ends before it begins",
            altered(|page| {
                page.replace("startTime", "x").replace("endTime", "startTime").replace(r#""x""#, r#""endTime""#)
            }),
            served(HALF).rejecting("bad_time=1"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn unusual_state_names() {
    let named = |name: &'static str, data| {
        (name, altered(move |page| page.replace("Available", name)), healed("200=4", 0.0).serving([Data::New, data]))
    };
    check(vec![
        named(r"a\u0000b", Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("a\0b", 1200.0)])),
        named(
            r#"say \"hi\"\\\n"#,
            Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("say \"hi\"\\\n", 1200.0)]),
        ),
        named("<script>", Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("<script>", 1200.0)])),
        named(r"\ud800", Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("\u{fffd}", 1200.0)])),
        named(r"\ud83d\ude00", Data::Only(&[("Available", 1200.0), ("Offline", 4800.0), ("😀", 1200.0)])),
    ])
    .await;
}
