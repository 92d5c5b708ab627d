//! The official API: the sums are exact for every variant of the server, and no request is superfluous.

mod absence;
mod counters;
mod empty_lists;
mod faults;
mod habits;
mod people;
mod probe;
mod requests;
mod variants;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::config::{Api, ClientAuth, Login, Official, Tenant};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, ApiVariant, CLIENT_ID, CLIENT_SECRET, Endpoint, RequestRecord, SimulatorOptions,
};
use tokio::net::TcpListener;

use crate::app::scraped::Scraped;
use crate::app::simulated::AppHarness;
use crate::app::{HOUR, last_day};

/// 2026-03-11T15:04:11.25Z, a Wednesday: agents who work on Mondays were present within the look-back.
const NOW: Timestamp = Timestamp::from_micros(1_773_241_451_250_001);

/// Far enough that every state at the window's start began within it, but those of people on leave.
const LOOKBACK: Duration = Duration::from_secs(10 * 86_400);

/// What `text` has of habits, separated by blanks.
fn habits(text: &str) -> Vec<ApiVariant> {
    text.split_whitespace().map(|habit| habit.parse().unwrap()).collect()
}

fn options(agents: u32, api_variants: Vec<ApiVariant>) -> SimulatorOptions {
    SimulatorOptions { agents, api_variants, page_size: 10_000, ..SimulatorOptions::default() }
}

fn official(base_url: &str) -> Official {
    let token_url = format!("{base_url}/authentication/v1/token/access-key").parse().unwrap();
    Official { history_lookback: LOOKBACK, ..Official::by_access_key(token_url, ACCESS_KEY_ID, ACCESS_KEY_SECRET) }
}

impl AppHarness {
    /// An app with the official API.
    async fn new(options: SimulatorOptions, change: impl FnOnce(&mut Tenant)) -> Self {
        Self::start(NOW, options, |tenant| {
            tenant.api = Api::Official;
            tenant.agents.iter_mut().for_each(|agent| agent.team = None);
            (tenant.connection.client_id, tenant.connection.client_secret) = (String::new(), "".into());
            tenant.official = Some(official(tenant.connection.base_url.as_str().trim_end_matches('/')));
            tenant.states.declared = ["Available", "LoggedOut", "WrapUp", "Unavailable"].map(Into::into).to_vec();
            tenant.states.offline = vec!["LoggedOut".into()];
            tenant.limits.max_concurrent_requests = 4;
            change(tenant);
        })
        .await
    }

    /// Scrapes and compares every sum with the truth, to within a second and what has not been listed yet.
    async fn scrape_exactly(&self, what: &str) -> Scraped {
        let window = last_day(&self.app.clock);
        let scrape = self.app.scrape().await;
        let status = &self.app.refresher().current().status;
        assert_eq!(scrape.value("cxone_up"), Some(1.0), "{what}: {status:?}");
        let seen = scrape.seconds();
        assert_eq!(seen.len(), self.simulator.workforce().agents().len(), "{what}");
        for agent in self.simulator.workforce().agents() {
            let pending = self.simulator.official_pending(&agent.id, window).seconds_f64();
            let truth = self.truth(&agent.id, window);
            assert_close(&seen[&*agent.id], &truth, pending, &format!("{what}, {}", agent.id));
        }
        scrape
    }

    fn truth(&self, agent: &str, window: Window) -> BTreeMap<String, f64> {
        let split = self.app.refresher().tenant().official.as_ref().unwrap().unavailable_codes;
        let truth = self.simulator.official_truth(agent, window, split);
        truth.into_iter().map(|(state, time)| (state.to_string(), time.seconds_f64())).collect()
    }

    fn counts(&self) -> [usize; 6] {
        use Endpoint::{Agents, Codes, Discovery, History, States, Token};
        [Token, Discovery, Agents, States, History, Codes].map(|endpoint| self.requests(endpoint).len())
    }
}

/// Every sum is as it is in truth to within a second and `pending`, and none adds up to more than the day.
fn assert_close(seen: &BTreeMap<String, f64>, truth: &BTreeMap<String, f64>, pending: f64, what: &str) {
    let total: f64 = seen.values().sum();
    assert!(total <= 86_400.0 + 1e-6, "{what}: {total} s in a day");
    for state in seen.keys().chain(truth.keys()) {
        let [is, should] = [seen, truth].map(|sums| sums.get(state).copied().unwrap_or_default());
        assert!((is - should).abs() <= 1.0 + pending, "{what}: {is} s in {state}, not {should}: {seen:?}, {truth:?}");
    }
}

/// The issuer's way in, with the client known by `client_auth`.
fn by_issuer(tenant: &mut Tenant, client_auth: ClientAuth) {
    (tenant.connection.client_id, tenant.connection.client_secret) = (CLIENT_ID.into(), CLIENT_SECRET.into());
    tenant.official.as_mut().unwrap().login = Login::Issuer { client_auth };
}
