//! Absence: the exact unbroken offline time, and its part within the current shift.

use std::collections::BTreeMap;

use cxone_exporter::presence::{Micros, Window};
use cxone_exporter::simulator::State;

use super::*;

/// Between two refreshes, over a day and more.
const STEP: Duration = Duration::from_secs(75 * 60);
const STEPS: usize = 24;

#[tokio::test]
async fn absent_seconds_are_the_simulated_ones() {
    let harness = AppHarness::new(options(40, Vec::new()), |tenant| {
        // Simulated agents who are offline within a shift are logged out, or unavailable on a break.
        tenant.official.as_mut().unwrap().unavailable_codes = false;
        tenant.states.offline = ["LoggedOut", "Unavailable"].map(Into::into).to_vec();
    })
    .await;
    let mut on_shift = 0;
    for _ in 0..STEPS {
        let now = last_day(&harness.app.clock).end;
        let scrape = harness.app.scrape().await;
        let values = |family: &str| -> BTreeMap<String, f64> {
            scrape.samples(family).map(|sample| (sample.label("agent").unwrap().to_owned(), sample.value)).collect()
        };
        let [offline, shifts, absences] =
            ["cxone_agent_offline_seconds", "cxone_agent_on_shift", "cxone_agent_absent_seconds"].map(values);
        let tenant = harness.app.refresher().tenant();
        for (agent, configured) in harness.simulator.workforce().agents().iter().zip(&tenant.agents) {
            let id = &*agent.id;
            let segment = harness.simulator.timeline().segment_at(agent, now);
            let time = if segment.state == State::Offline { now.saturating_since(segment.start) } else { Micros::ZERO };
            let shift = configured.schedule.as_ref().unwrap().shift_at(now);
            let run = Window { start: now.saturating_sub(time.into()), end: now };
            let within = shift.and_then(|shift| shift.intersection(run)).map_or(Micros::ZERO, Window::length);
            assert_eq!(shifts[id], f64::from(u8::from(shift.is_some())), "{id} at {now}");
            assert!((offline[id] - time.seconds_f64()).abs() <= 1.0, "{id} at {now}: {} s, not {time:?}", offline[id]);
            assert!(
                (absences[id] - within.seconds_f64()).abs() <= 1.0,
                "{id} at {now}: {} s, not {within:?}",
                absences[id]
            );
            on_shift += usize::from(shift.is_some());
        }
        harness.app.clock.advance(STEP);
    }
    assert!(on_shift > 100, "{on_shift} on shift");
}
