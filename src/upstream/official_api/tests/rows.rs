//! Rows that cannot be used, and answers that have none.

use super::*;

#[tokio::test]
async fn a_200_that_is_no_answer_fails_and_204_means_no_rows() {
    let bodies = [
        "",
        " \n",
        r#"{"error":"busy"}"#,
        r#"{"message":"x","agents":[]}"#,
        r#"{"error_description":"busy","totalRecords":0}"#,
        "[",
        "<html>",
        r#""x""#,
    ];
    for endpoint in ["/agents/states", "/agents/state-history"] {
        let cases = bodies.map(|body| (200, body, true));
        for (status, body, fails) in cases.into_iter().chain([(204, "", false), (200, "{}", false)]) {
            let script = move |target: &str, _: &DrivenClock| match target {
                target if target.starts_with(endpoint) => (status, body.to_owned()),
                target if target.starts_with("/agents/states") => states(&[]),
                _ => history(&[row("1", "Available", -HOUR, "PT100S")]),
            };
            let test = ApiTest::new(|_| (), script).await;
            let result = test.fetch(&["1"]).await;
            let kind = result.error.map(|error| error.kind);
            assert_eq!(kind, fails.then_some(ErrorKind::Decode), "{endpoint} {status} {body}");
        }
    }
}

#[tokio::test]
async fn one_bad_record_costs_one_record_and_is_counted() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&["7".to_owned(), r#"{"agentId":null}"#.to_owned()]),
        _ => history(&[
            row("1", "Available", -1_000, "PT100S"),
            row("1", "Unavailable", -900, "PT100S")
                .replace(r#""agentStateName""#, r#""outStateDescription":"\ud83d","agentStateName""#),
            r#"[{"agentId":"1"}]"#.to_owned(),
            "null".to_owned(),
            row("1", "Available", -800, "PT100S").replace(r#""agentId":"1""#, r#""agentId":{}"#),
            row("1", "Available", -600, "x").replace(r#""x""#, "[1]"),
            row("1", "Available", -500, "x").replace(r#""x""#, "99.5"),
            row("1", "Available", -400, "x").replace(r#""x""#, "1e400"),
            row("1", "Available", -300, "x").replace(r#""x""#, &"1".repeat(400)),
            row("1", "Available", -100, "PT10S").replace(r#""agentId""#, r#""agentStateId":1e999,"agentId""#),
        ]),
    };
    let test = ApiTest::new(|_| (), script).await;
    let result = test.fetch(&["1"]).await;
    assert_eq!(result.error, None);
    let reasons = [Rejection::Malformed, Rejection::UnknownAgent, Rejection::BadTime, Rejection::NotFinite];
    assert_eq!(reasons.map(|reason| rejected(&result, reason)), [3, 2, 1, 2]);
    let expected = vec![("Available".to_owned(), 209), ("Unavailable: \u{fffd}".to_owned(), 100)];
    assert_eq!(seconds(&result), BTreeMap::from([("1".into(), expected)]));
}

#[tokio::test]
async fn unusable_rows_are_counted_and_start_no_state() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        _ => history(&[
            row("1", "Available", -1_000, "PT500S"),
            row("1", "Unavailable", -600, "-PT5S"),
            row("1", "Available", -100, "PT50S"),
            row("1", "Available", -1_000, "PT500S").replace("startDate", "start"),
            row("2", "Available", -1_000, "PT500S"),
        ]),
    };
    let test = ApiTest::new(|_| (), script).await;
    let result = test.fetch(&["1"]).await;
    let counts = [Rejection::BadTime, Rejection::Negative, Rejection::Overlap].map(|reason| rejected(&result, reason));
    assert_eq!(counts, [1, 1, 0]);
    let expected = vec![("Available".to_owned(), 550)];
    assert_eq!(seconds(&result), BTreeMap::from([("1".into(), expected)]));
}
