//! Alerts over a simulated week: the exporter's series of every ten minutes, evaluated with the shipped rules by `promtool`.
//!
//! The week has a weekend, agents on leave and a change of the clocks. Who must be alerted at a moment, and who must not, is
//! counted from the simulator's timeline and the schedules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use cxone_exporter::config::{Incremental, Interval};
use cxone_exporter::presence::{Micros, OnShift, Timestamp, Window};
use cxone_exporter::simulator::{Agent, SimulatorOptions, State, Timeline, Workforce};

use crate::app::scraped::Scraped;
use crate::app::simulated::AppHarness;

/// Wednesday 2026-10-21T00:10:00Z. Clocks change in Europe on the 25th, and no shift begins or ends ten minutes past.
const START: i64 = 1_792_541_400;
const STEP: i64 = 600;
const STEPS: i64 = 7 * 144;
/// Alerts are compared every half hour, that is in every third step.
const COMPARED: i64 = 3;
const ABSENT_LIMIT: i64 = 900;
/// Of agents whose team has none.
const OFFLINE_LIMIT: Duration = Duration::from_secs(7_200);
/// Two scrapes.
const LATE: i64 = 2 * STEP;
/// What prorated buckets at the edges of shifts and absences amount to, in seconds.
const GRAIN: i64 = 1_800;
/// Agents without planted absences that are observed besides, of all teams.
const OTHERS: usize = 12;

const EXPORTER: [&str; 4] = [
    "cxone_up",
    "cxone_cooldown_seconds",
    "cxone_max_staleness_seconds",
    "cxone_refresh_last_success_timestamp_seconds",
];
const AGENT: [&str; 8] = [
    "cxone_agent_info",
    "cxone_agent_observed_seconds",
    "cxone_agent_scheduled_seconds",
    "cxone_agent_scheduled_offline_seconds",
    "cxone_agent_offline_limit_seconds",
    "cxone_agent_on_shift",
    "cxone_agent_absent_seconds",
    "cxone_agent_absent_limit_seconds",
];

/// Whether an alert of an agent fires at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firing {
    Yes,
    No,
    /// Within two scrapes of a change, or at the edge of a limit.
    Either,
}

/// An agent's offline time and shifts of the week and the day before.
struct Truth {
    id: String,
    offline_limit: i64,
    shifts: OnShift,
    offline: Vec<Window>,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn seconds(time: Micros) -> i64 {
    i64::try_from(time.get() / 1_000_000).unwrap()
}

fn span() -> Window {
    Window { start: at(START - 86_400), end: at(START + STEPS * STEP) }
}

// === impl Truth ===

impl Truth {
    fn of(agent: &Agent) -> Self {
        let timeline = Timeline::new(1);
        let offline = timeline.segments(agent, span()).filter(|segment| segment.state == State::Offline);
        Self {
            id: agent.id.to_string(),
            offline_limit: i64::try_from(agent.offline_limit.unwrap_or(OFFLINE_LIMIT).as_secs()).unwrap(),
            shifts: agent.schedule_with_leave(span()).within(span()),
            offline: offline.map(|segment| Window { start: segment.start, end: segment.end }).collect(),
        }
    }

    /// The shift around a moment.
    fn shift(&self, moment: i64) -> Option<Window> {
        self.shifts.shifts().iter().copied().find(|shift| shift.start <= at(moment) && at(moment) < shift.end)
    }

    /// The offline time without a break up to a moment within its shift; 0 off shift.
    fn absent(&self, moment: i64) -> i64 {
        let Some(shift) = self.shift(moment) else { return 0 };
        let since = self.offline.iter().find(|span| span.start < at(moment) && at(moment) <= span.end);
        since.map_or(0, |span| seconds(at(moment).saturating_since(span.start.max(shift.start))))
    }

    /// The scheduled offline time within the day before a moment.
    fn scheduled_offline(&self, moment: i64) -> i64 {
        let day = Window { start: at(moment - 86_400), end: at(moment) };
        self.offline
            .iter()
            .filter_map(|span| span.intersection(day))
            .map(|span| seconds(self.shifts.overlap(span)))
            .sum()
    }

    fn is_absent(&self, moment: i64) -> Firing {
        match self.absent(moment) {
            absent if absent < ABSENT_LIMIT => Firing::No,
            absent if absent >= ABSENT_LIMIT + LATE => Firing::Yes,
            _ => Firing::Either,
        }
    }

    fn is_over_limit(&self, moment: i64) -> Firing {
        let over = |moment| self.scheduled_offline(moment) - self.offline_limit;
        if self.shift(moment).is_none() || over(moment) < -GRAIN {
            Firing::No
        } else if self.shift(moment - LATE - STEP).is_some() && over(moment).min(over(moment - LATE - STEP)) > GRAIN {
            Firing::Yes
        } else {
            Firing::Either
        }
    }
}

/// The values of each series, a place for each step; NaN where it has none.
type Series = BTreeMap<String, Vec<f64>>;

fn record(series: &mut Series, step: usize, scrape: &Scraped) {
    for name in EXPORTER.into_iter().chain(AGENT) {
        for sample in scrape.samples(name) {
            let labels = sample.labels.iter().map(|(label, value)| format!("{label}={value:?}, ")).collect::<String>();
            let values = series.entry(format!("{name}{{{labels}job=\"cxone\", instance=\"a:10062\"}}")).or_default();
            // promtool's clock begins at 0.
            #[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let shift = if name.ends_with("_timestamp_seconds") { START as f64 } else { 0.0 };
            values.resize(step, f64::NAN);
            values.push(sample.value - shift);
        }
    }
}

/// Values in promtool's notation.
fn notation(values: &[f64]) -> String {
    let runs = values.chunk_by(|one, other| one == other || one.is_nan() && other.is_nan());
    let run = |run: &[f64]| match run {
        [value, ..] if value.is_nan() => format!("_x{}", run.len()),
        [value, ..] => format!("{value}x{}", run.len() - 1),
        [] => String::new(),
    };
    runs.map(run).collect::<Vec<_>>().join(" ")
}

/// A test of promtool: that of all agents exactly those fire that must, but for those that may.
fn comparison(alert: &str, moment: i64, agents: &[Truth], firing: &dyn Fn(&Truth) -> Firing) -> String {
    let of = |wanted: Firing| agents.iter().filter(move |agent| firing(agent) == wanted).map(|agent| agent.id.as_str());
    let either = of(Firing::Either).collect::<Vec<_>>().join("|");
    let samples: String = of(Firing::Yes).map(|id| format!("{{labels: '{{agent=\"{id}\"}}', value: 1}}, ")).collect();
    format!(
        "      - expr: 'count by (agent) (ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", agent!~\"{either}\"}})'\n\
         \x20       eval_time: {}s\n        exp_samples: [{samples}]\n",
        moment - START,
    )
}

#[tokio::test]
async fn alerts_over_a_week_are_those_of_planted_absences() {
    let options = SimulatorOptions { page_size: 10_000, ..SimulatorOptions::default() };
    let workforce = Workforce::new(options.seed, options.agents as usize);
    let moments: Vec<_> = (1..STEPS / COMPARED).map(|nth| START + nth * COMPARED * STEP).collect();
    let mut others = OTHERS;
    let (simulated, agents): (Vec<_>, Vec<_>) = workforce
        .agents()
        .iter()
        .map(|agent| (agent, Truth::of(agent)))
        .filter(|(agent, truth)| {
            let on_leave = agent.schedule_with_leave(span()) != agent.schedule;
            let other = !on_leave && moments.iter().all(|moment| truth.absent(*moment) <= ABSENT_LIMIT);
            others = others.saturating_sub(usize::from(other));
            !other || others > 0
        })
        .unzip();
    let harness = AppHarness::start(at(START), options, |tenant| {
        tenant.query.interval = Interval { text: "PT5M".to_owned(), length: Duration::from_secs(300) };
        tenant.query.incremental = Some(Incremental::default());
        tenant.limits.agents_per_request = 100;
        tenant.agents.retain(|agent| simulated.iter().any(|chosen| chosen.id == agent.id));
        for (agent, simulated) in tenant.agents.iter_mut().zip(&simulated) {
            agent.schedule = Some(simulated.schedule_with_leave(span()));
            agent.absent_limit = Some(Duration::from_secs(ABSENT_LIMIT.unsigned_abs()));
            agent.offline_limit = Some(simulated.offline_limit.unwrap_or(OFFLINE_LIMIT));
        }
    })
    .await;

    let mut series = Series::new();
    for step in 0..usize::try_from(STEPS).unwrap() {
        if step > 0 {
            harness.app.clock.advance(Duration::from_secs(STEP.unsigned_abs()));
        }
        record(&mut series, step, &harness.app.scrape().await);
    }
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/cxone.alerts.yml");
    let mut test =
        format!("rule_files: [{rules}]\nevaluation_interval: 10m\ntests:\n  - interval: 10m\n    input_series:\n");
    series.insert(
        "cxone_exporter_build_info{version=\"1\", job=\"cxone\", instance=\"a:10062\"}".to_owned(),
        vec![1.0; usize::try_from(STEPS).unwrap()],
    );
    for (name, values) in &series {
        writeln!(
            test,
            "      - series: {}\n        values: {}",
            serde_json::Value::from(name.as_str()),
            notation(values)
        )
        .unwrap();
    }
    test.push_str("    promql_expr_test:\n");
    for moment in &moments {
        test += &comparison("CxoneAgentAbsent", *moment, &agents, &|agent| agent.is_absent(*moment));
        test += &comparison("CxoneAgentOfflineOverLimit", *moment, &agents, &|agent| agent.is_over_limit(*moment));
        // Each moment has an agent who must be alerted of each kind.
        assert!(agents.iter().any(|agent| agent.is_absent(*moment) == Firing::Yes), "{moment}");
        assert!(agents.iter().any(|agent| agent.is_over_limit(*moment) == Firing::Yes), "{moment}");
    }
    write!(
        test,
        "      - expr: count_over_time(ALERTS{{alertname!~\"CxoneAgentAbsent|CxoneAgentOfflineOverLimit\"}}[7d])\n\
         \x20       eval_time: {}s\n        exp_samples: []\n",
        (STEPS - 1) * STEP,
    )
    .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("week.test.yml");
    std::fs::write(&file, test).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{}", said.chars().take(4_000).collect::<String>());
}
