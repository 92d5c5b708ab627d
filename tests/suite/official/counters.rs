//! The counters of time per agent and state, from state history: they equal the truth over days.

use super::*;

#[tokio::test]
async fn official_state_time_counters_equal_the_truth() {
    for variants in ["", "late-rows"] {
        let Ok(variants) = variants.split_whitespace().map(str::parse).collect::<Result<Vec<ApiVariant>, _>>() else {
            continue;
        };
        let harness = AppHarness::new(options(8, variants), |_| ()).await;
        let clock = &harness.app.clock;
        let start = last_day(clock).end;
        let mut rng = fastrand::Rng::with_seed(3);
        let mut last = BTreeMap::new();
        for _ in 0..40 {
            let scrape = harness.app.scrape().await;
            let now: BTreeMap<[String; 2], f64> = scrape
                .samples("cxone_agent_state_time_seconds_total")
                .map(|sample| (["agent", "state"].map(|label| sample.label(label).unwrap().to_owned()), sample.value))
                .collect();
            assert!(!now.is_empty() && last.iter().all(|(series, before)| now[series] >= *before), "{last:?} {now:?}");
            last = now;
            clock.advance([HOUR / 60, HOUR / 2, HOUR * 2, HOUR * 6][rng.usize(..4)]);
        }
        let window = Window { start, end: harness.app.refresher().current().status.window.unwrap().end };
        for agent in harness.simulator.workforce().agents() {
            let pending = harness.simulator.official_pending(&agent.id, window).seconds_f64();
            for (state, seconds) in harness.truth(&agent.id, window) {
                let counted = last.get(&[agent.id.to_string(), state.clone()]).copied().unwrap_or_default();
                assert!((counted - seconds).abs() <= 2.0 + pending, "{} {state}: {counted}, not {seconds}", agent.id);
            }
        }
    }
}
