//! Real and documented answers of the official API are read to the right numbers.
//!
//! Each case serves fixtures from `tests/suite/answers` for one agent, and compares the seconds in each state.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cxone_exporter::clock::DrivenClock;
use cxone_exporter::config::{Agent, Api, Official};
use cxone_exporter::presence::Timestamp;

use crate::app::scraped::Scraped;
use crate::app::{DAY, TestApp, TestAppBuilder};
use crate::scripted::{Request, Response, ScriptedServer};

/// The only configured agent.
const AGENT: &str = "100001";
/// 2015-05-21T21:10:00Z.
const IN_2015: Timestamp = Timestamp::from_seconds(1_432_242_600);
/// 2019-01-03T00:00:00Z.
const IN_2019: Timestamp = Timestamp::from_seconds(1_546_473_600);

/// The fixtures of a tenant; a missing one is refused with 403.
#[derive(Debug, Clone, Copy)]
struct Fixtures {
    token: &'static str,
    states: &'static str,
    history: &'static str,
    unit_codes: &'static str,
    team_codes: &'static str,
}

const FIXTURES: Fixtures = Fixtures {
    token: "token.access_key",
    states: "states.none",
    history: "history.none",
    unit_codes: "codes.unit",
    team_codes: "",
};

/// Fixtures, time, window in days, and the expected seconds in each state.
type Case = (Fixtures, Timestamp, u32, &'static [(&'static str, f64)]);

/// The response with the fixture `name`.
fn fixture(name: &str, base_url: &str) -> Response {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/answers/{name}.json"));
    match std::fs::read_to_string(path) {
        Ok(text) => Response::json(text.replace("BASE_URL", base_url)),
        Err(_) => Response::status(403),
    }
}

/// An app over `fixtures` at `now` with a window of `window`.
async fn app(fixtures: Fixtures, now: Timestamp, window: Duration) -> (TestApp, ScriptedServer) {
    let clock = DrivenClock::new(now);
    let script = move |request: &Request| {
        let base_url = format!("http://{}", request.header("host").unwrap());
        let name = match request.path().rsplit('/').next().unwrap() {
            "access-key" => fixtures.token,
            "cxone-configuration" => "cxone_configuration",
            "states" => fixtures.states,
            "state-history" => fixtures.history,
            "unavailable-codes" if request.path().contains("/teams/") => fixtures.team_codes,
            "unavailable-codes" => fixtures.unit_codes,
            path => panic!("{path} is not requested"),
        };
        fixture(name, &base_url)
    };
    let upstream = ScriptedServer::start_raw(&clock, script).await;
    let base_url = upstream.base_url();
    let app = TestAppBuilder::new(&base_url).configure(|tenant| {
        tenant.api = Api::Official;
        let agent = Agent { name: Some("Ada".to_owned()), ..crate::app::agents(1).remove(0) };
        tenant.agents = vec![Agent { id: AGENT.into(), ..agent }];
        tenant.query.window = window;
        let token_url = format!("{base_url}/authentication/v1/token/access-key").parse().unwrap();
        let official = Official::by_access_key(token_url, "key", "pl4nted/s3cret+of=the house");
        tenant.official = Some(Official { unavailable_codes: true, ..official });
        tenant.states.declared = Vec::new();
    });
    (app.start(&clock).await, upstream)
}

/// The seconds in each state, without zeros.
fn seconds(scrape: &Scraped) -> BTreeMap<String, f64> {
    let mut states = scrape.seconds().remove(AGENT).unwrap_or_default();
    states.retain(|_, seconds| *seconds > 0.0);
    states
}

#[tokio::test]
async fn answers_are_read_to_the_right_numbers() {
    let table: &[Case] = &[
        (Fixtures { states: "states.pascal_case", ..FIXTURES }, IN_2015, 1, &[("Available", 139.28)]),
        (Fixtures { states: "states.documented", ..FIXTURES }, IN_2015, 1, &[("WrapUp", 120.0)]),
        (Fixtures { states: "states.without_start", ..FIXTURES }, IN_2015, 1, &[("LoggedOut", 3_600.0)]),
        (Fixtures { states: "states.names_only", ..FIXTURES }, IN_2015, 1, &[]),
        (Fixtures { token: "token.legacy", states: "states.documented", ..FIXTURES }, IN_2015, 1, &[("WrapUp", 120.0)]),
        (
            Fixtures { history: "history.pending_calls", ..FIXTURES },
            IN_2019,
            1,
            &[("Unavailable: InboundPending", 81.362)],
        ),
        (
            Fixtures { history: "history.login_time", ..FIXTURES },
            IN_2019,
            2,
            &[
                ("Available", 78_523.174),
                ("InboundContact", 20_881.139),
                ("OutboundContact", 7_633.963),
                ("Unavailable", 48_871.375),
            ],
        ),
    ];
    let mut failed = Vec::new();
    for (fixtures, now, days, expected) in table {
        let (app, _upstream) = app(*fixtures, *now, DAY * *days).await;
        let scrape = app.scrape().await;
        let status = app.refresher().current().status.clone();
        let found = seconds(&scrape);
        let close = |(state, time): &(&str, f64)| found.get(*state).is_some_and(|found| (found - time).abs() < 0.0005);
        let is_right = found.len() == expected.len() && expected.iter().all(close);
        if scrape.value("cxone_up") != Some(1.0) || !is_right {
            failed.push(format!("{fixtures:?}: {found:?} {:?}", status.last_error));
        }
        app.assert_no_secrets().await;
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn state_without_any_time_makes_the_agent_known() {
    let fixtures = Fixtures { states: "states.without_any_time", ..FIXTURES };
    let (app, _upstream) = app(fixtures, IN_2015, DAY).await;
    app.scrape().await;
    app.clock.advance(Duration::from_secs(300));
    let scrape = app.scrape().await;
    assert_eq!(scrape.agents(), [1.0, 0.0, 0.0], "fresh, stale, missing");
    let logged_out = seconds(&scrape).get("LoggedOut").copied().unwrap_or_default();
    assert!((0.0..=300.0).contains(&logged_out), "{logged_out} s, which is counted from the first refresh");
}

#[tokio::test]
async fn answers_of_version_3_fail_and_keep_the_data() {
    for history in ["history.v3_entries", "history.v3_empty"] {
        let (app, _upstream) = app(Fixtures { history, ..FIXTURES }, IN_2019, DAY).await;
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("cxone_up"), Some(0.0), "{history}");
        assert!(app.refresher().current().status.last_error.is_some());
        app.assert_no_secrets().await;
    }
}
