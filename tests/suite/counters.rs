//! The counters of time per agent and state, of a simulated tenant through days with failures: they equal the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use cxone_exporter::clock::Clock as _;
use cxone_exporter::config::{Incremental, Interval, Tenant};
use cxone_exporter::presence::Window;
use cxone_exporter::simulator::{Align, Endpoint, Rule, SimulatorOptions};

use crate::app::scraped::Scraped;
use crate::app::simulated::AppHarness;
use crate::app::{COOLDOWN, DAY, HOUR, NOW};

const MINUTE: Duration = Duration::from_secs(60);

type Seconds = BTreeMap<[String; 2], f64>;

/// The counters, by agent and state.
fn counters(scrape: &Scraped) -> Seconds {
    let samples = scrape.samples("cxone_agent_state_time_seconds_total");
    samples
        .map(|sample| (["agent", "state"].map(|label| sample.label(label).unwrap().to_owned()), sample.value))
        .collect()
}

async fn harness(align: Align, minutes: u64, change: impl FnOnce(&mut Tenant)) -> AppHarness {
    let options = SimulatorOptions { agents: 6, align, ..SimulatorOptions::default() };
    AppHarness::start(NOW, options, |tenant| {
        tenant.query.interval = Interval { text: format!("PT{minutes}M"), length: Duration::from_secs(minutes * 60) };
        tenant.query.incremental = Some(Incremental { settle: MINUTE * 30, full_refresh_interval: HOUR * 6 });
        tenant.limits.agents_per_request = 3;
        change(tenant);
    })
    .await
}

#[tokio::test]
async fn state_time_counters_equal_the_truth_over_days() {
    for (seed, (align, minutes)) in (1..).zip([(Align::Hour, 5), (Align::Hour, 60), (Align::HourCut, 60)]) {
        let harness = harness(align, minutes, |_| ()).await;
        let clock = &harness.app.clock;
        let mut rng = fastrand::Rng::with_seed(seed);
        let first = counters(&harness.app.scrape().await);
        assert!(!first.is_empty() && first.values().all(|seconds| *seconds == 0.0), "{first:?}");
        let (mut last, end) = (first, NOW + 3 * DAY);
        while clock.now() < end {
            let left = Duration::from_micros(end.saturating_since(clock.now()).get());
            clock.advance([MINUTE, MINUTE * 7, MINUTE * 31, HOUR * 3, HOUR * 9][rng.usize(..5)].min(left));
            if clock.now() < end && rng.u8(..3) == 0 {
                let fault: Rule = ["status=503", "garbage", "odd-rows"][rng.usize(..3)].parse().unwrap();
                harness.simulator.faults().push(fault.on(Endpoint::Presence).times([1, 4][rng.usize(..2)]));
            }
            let now = counters(&harness.app.scrape().await);
            harness.simulator.faults().clear();
            // Without data for longer than `max_staleness`, there are no series.
            let rises = |(series, before): (_, &f64)| now.get(series).is_none_or(|now| now >= before);
            assert!(last.iter().all(rises), "{last:?} {now:?}");
            last.extend(now);
        }
        // Back-off may have left the last scrape without a refresh.
        while harness.app.refresher().current().status.window.is_none_or(|window| window.end < end) {
            clock.advance(COOLDOWN);
            last = counters(&harness.app.scrape().await);
        }
        let end = harness.app.refresher().current().status.window.unwrap().end;
        let interval = Duration::from_secs(minutes * 60);
        for agent in harness.simulator.workforce().agents() {
            let truth = harness.simulator.expected(&agent.id, Window { start: NOW, end }, interval, Align::Hour);
            for (state, time) in truth {
                let counted = last[&[agent.id.to_string(), state.to_string()]];
                assert!(
                    (counted - time.seconds_f64()).abs() < 0.01,
                    "{align:?} {} {state}: {counted}, {time:?}",
                    agent.id
                );
            }
        }
    }
}

#[tokio::test]
async fn counters_off_or_without_history_have_no_series() {
    for change in [|tenant: &mut Tenant| tenant.counters = false, |tenant: &mut Tenant| tenant.query.incremental = None]
    {
        let scrape = harness(Align::Hour, 60, change).await.app.scrape().await;
        assert_eq!(scrape.value("cxone_up"), Some(1.0));
        assert!(counters(&scrape).is_empty());
    }
}
