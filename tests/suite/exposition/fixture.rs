//! Tenants for exposition tests: a small one with every special character, and large ones.

#![allow(dead_code, reason = "the suite and the bench each use their part of it")]
#![allow(clippy::unwrap_used, reason = "a test's helper")]

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use cxone_exporter::clock::{DrivenClock, Monotonic};
use cxone_exporter::config::{Agent, ConnectionSettings, Incremental, Shard, Tenant};
use cxone_exporter::exposition::Block;
use cxone_exporter::metrics::{BuildInfo, ExporterInstruments, TenantInstruments};
use cxone_exporter::presence::{
    AgentPresence, Micros, PresenceChart, Rejection, Rejections, Schedule, ScheduledTime, Shift, StateName, TimeZone,
    Timestamp, Window,
};
use cxone_exporter::refresh::{
    AgentCounts, AgentData, AgentRow, Moment, Observer as _, ReadParts, RefreshResult, Served, Snapshot, Status,
};
use cxone_exporter::upstream::{Endpoint, ErrorKind, Observer as _, ResponseCode, UpstreamError};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// The blocks of one scrape.
pub(crate) struct Scrape {
    snapshot: Snapshot,
    status: Status,
    tenant: TenantInstruments,
    exporter: ExporterInstruments,
    with_process: bool,
}

impl Scrape {
    /// Four agents: one with nasty states, one plain, one that nothing was reported of, one without valid data.
    pub(crate) fn of_a_small_tenant() -> Self {
        let window = Window::ending_at(NOW, DAY);
        let busy = AgentPresence {
            folded: Vec::new(),
            states: states(&[
                ("", 1_000_000),
                ("Available", 30_000_500_000),
                ("Busy", 3_599_999_999),
                ("Lunch \"late\" \\ C:\\n\nnew line", 1_800_000_000),
                ("Offline", 12_000_000_000),
                ("休憩 ☕", 60_000_000),
            ]),
            observed: Micros::new(47_461_499_999),
            current: Some((StateName::from("休憩 ☕"), Micros::from_seconds(60))),
            unbroken_offline: Some(Micros::ZERO),
            last_data: NOW,
            scheduled: Some(ScheduledTime { total: Micros::from_seconds(28_800), offline: Micros::new(1_234_500_000) }),
            chart: PresenceChart::default(),
            timeline: None,
            parts: Default::default(),
        };
        let plain = AgentPresence {
            folded: Vec::new(),
            states: states(&[("Offline", 86_400_000_000)]),
            observed: Micros::from_seconds(86_400),
            current: None,
            unbroken_offline: Some(Micros::from_seconds(86_400)),
            last_data: Timestamp::from_micros(1_699_999_999_500_000),
            scheduled: None,
            chart: PresenceChart::default(),
            timeline: None,
            parts: Default::default(),
        };
        let read_at = Moment { monotonic: Monotonic::default(), utc: NOW };
        let row = |presence| AgentRow { data: Some(Arc::new(AgentData { presence, window, read_at })) };
        let agents = vec![
            agent("1234567890123456789", Some("Zoë \"Z\" O'Neil\\"), Some("Billing\nEMEA"), Some(4 * 3_600)),
            Agent {
                absent_limit: Some(Duration::from_secs(900)),
                schedule: Some(Arc::new(nights())),
                ..agent("42", None, None, None)
            },
            agent("quiet", Some("Q"), None, None),
            agent("gone", None, Some("Night"), Some(5_400)),
        ];
        let mut tenant = tenant(agents);
        tenant.query.incremental = Some(Incremental::default());
        let mut answered = [("1234567890123456789".into(), Some(busy.clone())), ("42".into(), Some(plain.clone()))];
        let mut snapshot = Snapshot {
            tenant: Arc::new(tenant),
            rows: vec![row(Some(busy)), row(Some(plain)), row(None), AgentRow::default()],
            counters: Default::default(),
        };
        // The first reading, so they are zero.
        snapshot.counters = Arc::new(snapshot.counters.after(&snapshot, &ReadParts::take(&mut answered)));
        let status = Status {
            up: false,
            window: Some(window),
            last_success: Some(NOW + Duration::from_millis(1_250)),
            last_attempt: Some(NOW + Duration::from_secs(65)),
            not_before: Some(NOW + Duration::from_secs(185)),
            last_duration: Some(Duration::from_millis(750)),
            agents_dropped: Some(0),
            agents_listed: Some(5),
            agents_selected: Some(4),
            agents_unconfirmed: Some(2),
            agents: AgentCounts { fresh: 1, stale: 2, missing: 1 },
            token_expiry: Some(NOW + Duration::from_secs(3_540)),
            last_error: Some(UpstreamError {
                endpoint: Endpoint::Presence,
                kind: ErrorKind::RateLimited { retry_after: None },
                message: "not exposed".to_owned(),
            }),
        };
        Self { snapshot, status, tenant: tenant_instruments(), exporter: exporter_instruments(), with_process: false }
    }

    /// Adds the process metrics, which differ in each run.
    pub(crate) fn with_process(self) -> Self {
        Self { with_process: true, ..self }
    }

    /// Leaves the process metrics out.
    pub(crate) fn without_process(self) -> Self {
        Self { with_process: false, ..self }
    }

    /// A tenant with plausible, different days.
    pub(crate) fn of_many_agents(agents: usize) -> Self {
        let small = Self::of_a_small_tenant();
        let window = Window::ending_at(NOW, DAY);
        let row = |number| {
            let states: Vec<_> = ["Available", "Break", "Busy", "Offline", "WrapUp"]
                .map(|state| (StateName::from(state), seconds(number, state)))
                .to_vec();
            let presence = AgentPresence {
                folded: Vec::new(),
                observed: states.iter().map(|(_, time)| *time).sum(),
                states,
                current: None,
                unbroken_offline: None,
                last_data: NOW,
                scheduled: None,
                chart: PresenceChart::default(),
                timeline: None,
                parts: Default::default(),
            };
            AgentRow {
                data: Some(Arc::new(AgentData {
                    presence: Some(presence),
                    window,
                    read_at: Moment { monotonic: Monotonic::default(), utc: NOW },
                })),
            }
        };
        let snapshot = Snapshot {
            tenant: Arc::new(tenant(
                (0..agents)
                    .map(|number| agent(&agent_id(number), Some("Ada Lovelace"), Some("Billing"), None))
                    .collect(),
            )),
            rows: (0..agents).map(row).collect(),
            counters: Default::default(),
        };
        Self { snapshot, with_process: true, ..small }
    }

    /// Declares a state twice, which the configuration refuses.
    pub(crate) fn with_a_state_declared_twice(mut self) -> Self {
        Arc::make_mut(&mut self.snapshot.tenant).states.declared.push(StateName::from("Busy"));
        self
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn blocks(&self) -> Vec<Arc<Block>> {
        self.blocks_around(self.agents())
    }

    pub(crate) fn agents(&self) -> Arc<Block> {
        self.tenant.agents(&self.snapshot)
    }

    /// The blocks of a scrape whose agents were rendered before, as they are after a refresh.
    pub(crate) fn blocks_around(&self, agents: Arc<Block>) -> Vec<Arc<Block>> {
        self.tenant.scraped(Served::Cooldown);
        let mut blocks = vec![agents, self.tenant.block(&self.status), self.tenant.scrapes(), self.exporter.block()];
        if self.with_process {
            blocks.push(self.exporter.process());
        }
        blocks
    }
}

/// An id as the tenant spells them.
pub(crate) fn agent_id(number: usize) -> String {
    format!("{}", 1_234_567_890_000_000_000 + number)
}

/// Up to four hours and some milliseconds, different for each agent and state.
pub(crate) fn seconds(agent: usize, state: &str) -> Micros {
    let mixed = (agent + 1) * 2_654_435_761 * state.len();
    Micros::new(u64::try_from(mixed % 14_400_000).unwrap() * 1_000)
}

fn tenant_instruments() -> TenantInstruments {
    let instruments = TenantInstruments::default();
    let mut rejections = Rejections::default();
    rejections.add(Rejection::Overlap);
    instruments.request(Endpoint::Token, ResponseCode::Status(200), Duration::from_millis(125), 400);
    instruments.request(Endpoint::Presence, ResponseCode::Status(503), Duration::from_millis(40), 12);
    instruments.retry();
    instruments.of_shard(Shard::new(1, 4).ok());
    instruments.budget(Some(60));
    instruments.budget_waited(Duration::from_millis(1_500));
    instruments.request(Endpoint::Presence, ResponseCode::Status(200), Duration::from_millis(2_500), 65_536);
    instruments.refreshed(RefreshResult::Success, Duration::from_secs(3), &rejections);
    instruments.refreshed(RefreshResult::Partial, Duration::from_millis(750), &Rejections::default());
    instruments.scraped(Served::Fresh);
    instruments.storage_used();
    instruments.stored(NOW);
    instruments
}

fn exporter_instruments() -> ExporterInstruments {
    let build = BuildInfo { version: "0.1.0", revision: "0123456", rustc: "1.95.0" };
    let instruments = ExporterInstruments::new(Arc::new(DrivenClock::new(NOW)), build);
    instruments.config_loaded(true);
    instruments.web_config_loaded(true);
    instruments
}

fn states(states: &[(&str, u64)]) -> Vec<(StateName, Micros)> {
    states.iter().map(|(name, micros)| (StateName::from(*name), Micros::new(*micros))).collect()
}

fn agent(id: &str, name: Option<&str>, team: Option<&str>, limit_seconds: Option<u64>) -> Agent {
    Agent {
        id: id.into(),
        name: name.map(str::to_owned),
        team: team.map(str::to_owned),
        offline_limit: limit_seconds.map(Duration::from_secs),
        absent_limit: None,
        schedule: None,
    }
}

/// Each night from ten to six.
fn nights() -> Schedule {
    let [start, end] = [22, 6].map(|hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap());
    let hours = vec![Shift { start, end }];
    Schedule { timezone: TimeZone::UTC, days: [true; 7], hours, holidays: Vec::new(), leave: Vec::new() }
}

fn tenant(agents: Vec<Agent>) -> Tenant {
    let connection = ConnectionSettings::new("https://acme.example.com".parse().unwrap(), "client", "secret");
    let mut tenant = Tenant::with_defaults("acme", connection);
    tenant.states.offline = vec!["Offline".into()];
    Tenant { agents, ..tenant }
}
