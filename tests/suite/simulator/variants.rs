//! Each variant of undocumented behaviour, as a client sees it.

use std::io::Read;
use std::time::Duration;

use cxone_exporter::presence::Window;
use cxone_exporter::simulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Align, Endpoint, Fault, Rule, SimulatorOptions};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::{DAY, HOUR, Harness, NOW, Reply, last, plain, read};

const LISTS: &str = "/incontactapi/services/v30.0";

/// A tenant with these variants, separated by blanks.
async fn tenant(variants: &str) -> Harness {
    let api_variants = variants.split_whitespace().map(|text| text.parse().unwrap()).collect();
    Harness::start(SimulatorOptions { agents: 40, page_size: 10_000, api_variants, ..Default::default() }).await
}

impl Harness {
    async fn official_token(&self) -> String {
        let body = json!({ "accessKeyId": ACCESS_KEY_ID, "accessKeySecret": ACCESS_KEY_SECRET }).to_string();
        let reply = self.call("POST", "/authentication/v1/token/access-key", "", &body).await.unwrap();
        // The answer may start with a byte order mark.
        let json = reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&reply.body);
        serde_json::from_slice::<Value>(json).unwrap()["access_token"].as_str().unwrap().to_owned()
    }

    /// The answer for a path of the official API.
    async fn list(&self, path: &str) -> Reply {
        let token = self.official_token().await;
        self.call("GET", &format!("{LISTS}{path}"), &format!("Authorization: Bearer {token}\r\n"), "").await.unwrap()
    }

    /// The rows of a list.
    async fn rows(&self, path: &str, key: &str) -> Vec<Value> {
        self.list(path).await.json()[key].as_array().unwrap().clone()
    }

    async fn history(&self, agent: &str) -> Reply {
        let Window { start, end } = last(DAY);
        self.list(&format!("/agents/{agent}/state-history?startDate={start}&endDate={end}")).await
    }
}

#[tokio::test]
async fn unknown_agent_id_is_404_and_named_in_the_header() {
    let harness = tenant("bulk-refused unknown-agent-refused described-errors").await;
    let refused = harness.history("999").await;
    assert_eq!((refused.status, refused.headers["icstatusdescription"].as_str()), (404, "Invalid Agent Id"));
    assert_eq!(harness.history(&harness.ids(1)[0]).await.status, 200);
    assert_eq!(tenant("").await.history("999").await.status, 200);
}

#[tokio::test]
async fn start_date_null_with_and_without_last_update_time() {
    let expected = tenant("").await.rows("/agents/states", "agentStates").await;
    let updates = tenant("start-as-update").await.rows("/agents/states", "agentStates").await;
    let none = tenant("no-start").await.rows("/agents/states", "agentStates").await;
    for ((row, update), none) in expected.iter().zip(&updates).zip(&none) {
        assert_eq!((&update["startDate"], &update["lastUpdateTime"]), (&Value::Null, &row["startDate"]));
        assert_eq!((&none["startDate"], &none["lastUpdateTime"]), (&Value::Null, &Value::Null));
    }
    assert_eq!((updates.len(), none.len()), (40, 40));
}

#[tokio::test]
async fn keys_in_pascal_case_and_doubled() {
    let pascal = tenant("pascal-case").await.list("/agents/states").await.json();
    let row = &pascal["AgentStates"][0];
    assert!(row["AgentId"].is_u64() && row["IsACW"].is_boolean() && row["agentId"].is_null(), "{row}");
    let doubled = tenant("doubled-keys").await;
    let row = &doubled.rows("/agents/states", "agentStates").await[0];
    assert!(row["agentId"] == row["AgentId"] && row["isACW"] == row["isAcw"] && row["isAcw"].is_boolean(), "{row}");
    let code = &doubled.rows("/teams/1/unavailable-codes", "unavailableCodes").await[0];
    assert!(code["isACW"] == true && code["isAcw"] == true, "{code}");
}

#[tokio::test]
async fn durations_are_fractions_and_state_index_is_zero() {
    let agent = tenant("").await.ids(1)[0].clone();
    let iso = tenant("").await.history(&agent).await.json();
    let iso = iso["agentStateHistory"].as_array().unwrap();
    assert!(iso.iter().any(|row| row["stateIndex"] != 0) && iso[0]["duration"].as_str().unwrap().starts_with('P'));
    for (variants, text) in [("numeric-durations same-index", false), ("numeric-durations same-index strings", true)] {
        let rows = tenant(variants).await.history(&agent).await.json();
        let rows = rows["agentStateHistory"].as_array().unwrap();
        assert_eq!(rows.len(), iso.len());
        for row in rows {
            let (index, seconds) = (&row["stateIndex"], &row["duration"]);
            assert_eq!(*index, if text { json!("0") } else { json!(0) });
            let seconds = if text { seconds.as_str().unwrap().parse().unwrap() } else { seconds.as_f64().unwrap() };
            assert!(seconds > 0.0, "{row}");
        }
    }
}

#[tokio::test]
async fn unavailable_codes_of_the_unit_or_of_teams() {
    let unit = tenant("team-codes-refused").await;
    let codes = unit.rows("/unavailable-codes", "unavailableCodes").await;
    let expected = json!({ "id": 10, "name": "After call", "isActive": true, "isACW": true, "agentTimeout": 0 });
    assert_eq!((codes.len(), &codes[0]), (4, &expected));
    assert_eq!(unit.list("/teams/1/unavailable-codes").await.status, 403);
    let teams = tenant("unit-codes-refused").await;
    assert_eq!(teams.list("/unavailable-codes").await.status, 403);
    let codes = teams.rows("/teams/1/unavailable-codes", "unavailableCodes").await;
    assert_eq!((codes.len(), &codes[0]["outStateName"], &codes[0]["isAcw"]), (4, &json!("After call"), &json!(true)));
}

#[tokio::test]
async fn after_call_code_changes_at_its_time() {
    let harness = tenant("acw-until=1h").await;
    let agents = harness.ids(40);
    let count = |state: &str| {
        let window = last(DAY);
        let truth =
            |agent: &String| harness.simulator.official_truth(agent, window, true).keys().any(|name| **name == *state);
        agents.iter().filter(|agent| truth(agent)).count()
    };
    let code = async || harness.rows("/unavailable-codes", "unavailableCodes").await[0]["isACW"].clone();
    assert!(code().await == true && count("WrapUp") > 0 && count("Unavailable: After call") == 0);
    harness.clock.advance(HOUR);
    assert!(code().await == false && count("WrapUp") == 0 && count("Unavailable: After call") > 0);
}

#[tokio::test]
async fn discovery_needs_a_token_or_no_tenant_id() {
    let path = "/.well-known/cxone-configuration";
    for status in [401, 403, 404] {
        let harness = tenant(&format!("discovery-refused={status}")).await;
        assert_eq!(harness.call("GET", path, "", "").await.unwrap().status, status);
        let bearer = format!("Authorization: Bearer {}\r\n", harness.official_token().await);
        assert_eq!(harness.call("GET", path, &bearer, "").await.unwrap().status, 200);
    }
    let harness = tenant("discovery-without-tenant").await;
    let named = format!("{path}?tenantId=11ed0000-0000-4000-8000-000000000001");
    assert_eq!(harness.call("GET", &named, "", "").await.unwrap().status, 404);
    assert_eq!(harness.call("GET", path, "", "").await.unwrap().status, 200);
}

#[tokio::test]
async fn next_links_name_another_host() {
    let api_variants = vec!["foreign-links".parse().unwrap()];
    let harness = Harness::start(SimulatorOptions { page_size: 15, api_variants, ..Default::default() }).await;
    let page = harness.list("/agents/states").await.json();
    let next = page["_links"]["next"].as_str().unwrap();
    assert_eq!(next, format!("https://api.example.com{LISTS}/agents/states?skip=15&top=15"));
}

#[tokio::test]
async fn rules_of_updated_since_and_top() {
    let harness = tenant("updated-since=24h max-top=100 described-errors").await;
    let (day, older) = (last(DAY).start, last(2 * DAY).start);
    let table = [
        ("/agents/states".to_owned(), 400, "InvalidUpdatedSince"),
        ("/agents/states?updatedSince=0".to_owned(), 400, "InvalidUpdatedSince"),
        (format!("/agents/states?updatedSince={older}"), 400, "InvalidDateRange"),
        (format!("/agents/states?updatedSince={day}&top=101"), 400, "Invalid top"),
        (format!("/agents/states?updatedSince={day}&top=100"), 200, ""),
    ];
    for (path, status, reason) in table {
        let reply = harness.list(&path).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.headers.get("icstatusdescription").map_or("", String::as_str), reason, "{path}");
    }
    let recent = harness.rows(&format!("/agents/states?updatedSince={day}"), "agentStates").await;
    let all = tenant("").await.rows("/agents/states", "agentStates").await;
    let since = day.to_string();
    let expected: Vec<_> =
        all.iter().filter(|row| *row["startDate"].as_str().unwrap() >= *since).map(|row| &row["agentId"]).collect();
    assert_eq!(recent.iter().map(|row| &row["agentId"]).collect::<Vec<_>>(), expected);
    assert!(expected.len() < all.len(), "some agents have been away for longer");
}

#[tokio::test]
async fn current_states_are_later_than_the_request() {
    let harness = tenant("states-after=10m").await;
    let token = harness.official_token().await;
    let (target, header) = (format!("{LISTS}/agents/states"), format!("Authorization: Bearer {token}\r\n"));
    let (reply, ()) = tokio::join!(harness.call("GET", &target, &header, ""), async {
        while harness.clock.next_sleeper().is_none() {
            tokio::task::yield_now().await;
        }
        harness.clock.advance(10 * 60 * Duration::from_secs(1));
    });
    let rows = reply.unwrap().json();
    let update = rows["agentStates"][0]["lastUpdateTime"].as_str().unwrap().to_owned();
    assert!(update.starts_with("2026-03-11T15:27:31.25"), "{update}");
}

#[tokio::test]
async fn names_with_half_an_emoji_or_invalid_utf8() {
    let expected = tenant("").await.rows("/agents", "agents").await;
    for (variant, bytes) in [("half-emoji", &b"\"firstName\":\"\\ud83d"[..]), ("invalid-utf8", b"\"firstName\":\"\xff")]
    {
        let body = tenant(variant).await.list("/agents").await.body;
        assert_eq!(body.windows(bytes.len()).filter(|found| *found == bytes).count(), expected.len(), "{variant}");
        assert!(serde_json::from_slice::<Value>(&body).is_err(), "{variant} is no valid JSON");
    }
}

#[tokio::test]
async fn x_gzip_several_members_and_a_byte_order_mark() {
    let path = "/agents/states";
    let expected = tenant("").await.list(path).await.body;
    for variants in ["x-gzip", "gzip-members", "bom", "x-gzip gzip-members bom"] {
        let harness = tenant(variants).await;
        let headers = format!("Authorization: Bearer {}\r\nAccept-Encoding: gzip\r\n", harness.official_token().await);
        let reply = harness.call("GET", &format!("{LISTS}{path}"), &headers, "").await.unwrap();
        let coding = if variants.contains("x-gzip") { "X-Gzip" } else { "gzip" };
        assert_eq!(reply.headers["content-encoding"], coding);
        let mut body = Vec::new();
        MultiGzDecoder::new(reply.body.as_slice()).read_to_end(&mut body).unwrap();
        let mark = if variants.contains("bom") { &b"\xef\xbb\xbf"[..] } else { b"" };
        assert_eq!(body, [mark, &expected].concat(), "{variants}");
        let magic = reply.body.windows(3).filter(|bytes| *bytes == [0x1f, 0x8b, 8]).count();
        assert!(magic >= if variants.contains("members") { 2 } else { 1 }, "{variants}: {magic} members");
    }
}

#[tokio::test]
async fn repeated_states_and_cut_buckets_sum_to_the_truth() {
    let api_variants = vec!["repeated-states".parse().unwrap()];
    let options = SimulatorOptions { align: Align::HourCut, api_variants, ..Default::default() };
    let harness = Harness::start(options).await;
    let window = last(DAY);
    let rows = harness.pages(&harness.query(24, window, "PT1H")).await.concat();
    let mut repeated = 0;
    for id in harness.ids(24) {
        let truth = plain(harness.simulator.truth(&id, window));
        assert_eq!(read(&rows, &id, window), truth);
        assert_eq!(plain(harness.simulator.expected(&id, window, HOUR, Align::HourCut)), truth);
        let mine: Vec<_> = rows.iter().filter(|row| row["agentId"] == *id).collect();
        assert_eq!((mine.len(), &mine[0]["startTime"]), (25, &json!(window.start.to_string())));
        assert_eq!(mine[24]["endTime"], window.end.to_string());
        repeated += mine.iter().filter(|row| row["states"][0]["state"] == row["states"][1]["state"]).count();
    }
    assert!(repeated > 100, "{repeated}");
}

#[tokio::test]
async fn lists_shrink_and_answers_are_no_answers() {
    let harness = tenant("").await;
    let fault = async |rule: &str, path: &str| {
        harness.simulator.faults().push(rule.parse::<Rule>().unwrap());
        harness.list(path).await
    };
    let shrunk = fault("agents:shrunk=25@1", "/agents").await.json();
    assert_eq!((shrunk["agents"].as_array().unwrap().len(), &shrunk["totalRecords"]), (10, &json!(10)));
    assert_eq!(harness.rows("/agents", "agents").await.len(), 40);
    let wrong = fault("states:wrong-types@1", "/agents/states").await.json();
    assert_eq!(wrong["agentStates"].as_array().unwrap().len(), 45);

    for endpoint in [Endpoint::Token, Endpoint::Presence] {
        let table = [(Fault::NoBody, ""), (Fault::Blank, " \r\n\t "), (Fault::ErrorObject, "{\"error\":")];
        for (fault, text) in table {
            let token = harness.token().await;
            harness.simulator.faults().push(Rule::new(fault.clone()).on(endpoint).times(1));
            let reply = match endpoint {
                Endpoint::Token => harness.post_token("").await.unwrap(),
                _ => harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap(),
            };
            let body = String::from_utf8(reply.body).unwrap();
            assert!(reply.status == 200 && body.starts_with(text) && body.len() < 100, "{fault:?}: {body}");
        }
    }
    let token = harness.token().await;
    harness.simulator.faults().push(Rule::new(Fault::WrongTypes).times(1));
    let reply = harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap();
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err(), "half a surrogate pair is no valid JSON");
    assert_eq!(harness.simulator.requests().last().unwrap().rows, 24 + 8);
    assert_eq!(harness.simulator.requests().last().unwrap().at, NOW);
}
