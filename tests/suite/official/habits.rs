//! Every combination of undocumented variants gives the simulator's exact values.

use super::*;

const OPEN: [&str; 4] = ["", "open-without-length", "open-with-zero", "open-unlisted"];
const CLIPPED: [&str; 2] = ["", "clipped"];
const KEPT: [&str; 2] = ["", "kept-by-start"];

/// What is independent of the rest goes round with it, so that each value meets each.
const LISTS: [&str; 6] = [
    "",
    "strings wrapped nulls",
    "no-links",
    "no-totals empty-as-204",
    "no-links no-totals empty-as-204",
    "strings no-totals nulls acw-by-codes",
];
const PARTS: [&str; 3] = ["", "longest=100h", "bulk-refused"];
const ROWS: [&str; 3] = ["", "overlapping", "late=20m"];

#[tokio::test]
async fn each_combination_comes_to_the_truth_and_stays_there() {
    let mut tried = 0;
    for open in OPEN {
        for clipped in CLIPPED {
            for kept in KEPT {
                for rows in ROWS {
                    let (lists, parts) = (LISTS[tried % LISTS.len()], PARTS[tried / 2 % PARTS.len()]);
                    tried += 1;
                    let what = [open, clipped, kept, rows, lists, parts].join(" ");
                    let mut options = options(14, habits(&what));
                    (options.seed, options.page_size) = (tried as u64, [10_000, 971][tried % 2]);
                    let harness = AppHarness::new(options, |tenant| {
                        tenant.official.as_mut().unwrap().unavailable_codes = tried % 2 == 0;
                    })
                    .await;
                    harness.scrape_exactly(&what).await;
                    // Tails only from now on, until a resync.
                    for minutes in [1, 2, 7, 31, 90] {
                        harness.app.clock.advance(Duration::from_secs(minutes * 60));
                        harness.scrape_exactly(&format!("{what}, {minutes} minutes later")).await;
                    }
                    assert!(harness.requests(Endpoint::History).len() > 5);
                }
            }
        }
    }
    assert_eq!(tried, 48);
}

#[tokio::test]
async fn after_contact_work_is_wrap_up_whoever_tells_it() {
    for habit in ["", "acw-by-codes", "acw-by-flag"] {
        for split in [false, true] {
            let harness = AppHarness::new(options(30, habits(habit)), |tenant| {
                tenant.official.as_mut().unwrap().unavailable_codes = split;
            })
            .await;
            let scrape = harness.scrape_exactly(habit).await;
            let states: Vec<String> = scrape.seconds().values().flat_map(BTreeMap::keys).cloned().collect();
            assert!(states.iter().any(|state| state == "WrapUp"));
            assert_eq!(states.iter().any(|state| state == "Unavailable: Lunch"), split);
            assert!(!states.iter().any(|state| state.contains("After call")));
        }
    }
}

#[tokio::test]
async fn what_the_look_back_does_not_reach_stays_unaccounted_for() {
    // Rows are kept by their start, so a state that began before the look-back and has ended is in no answer.
    let harness = AppHarness::new(options(60, habits("kept-by-start")), |tenant| {
        tenant.official.as_mut().unwrap().history_lookback = HOUR;
    })
    .await;
    let window = last_day(&harness.app.clock);
    let scrape = harness.app.scrape().await;
    let mut short = 0;
    for (agent, seen) in scrape.seconds() {
        let truth = harness.truth(&agent, window);
        let observed: f64 = seen.values().sum();
        assert_eq!(scrape.get("cxone_agent_observed_seconds", &[("agent", &agent)]), Some(observed));
        for (state, time) in &seen {
            assert!(*time <= truth.get(state).copied().unwrap_or_default() + 1.0, "{agent}: {state} was made up");
        }
        short += usize::from(observed < 86_399.0);
    }
    assert!(short > 5, "{short}");
}

#[tokio::test]
async fn states_are_renamed_and_merged_last() {
    let harness = AppHarness::new(options(20, Vec::new()), |tenant| {
        tenant.official.as_mut().unwrap().unavailable_codes = true;
        let map = [("Unavailable: Lunch", "Away"), ("Unavailable: Break", "Away"), ("LoggedOut", "Away")];
        tenant.states.map = map.map(|(from, to)| (from.into(), to.into())).into();
        tenant.states.declared = vec!["Away".into()];
    })
    .await;
    let window = last_day(&harness.app.clock);
    let seen = harness.app.scrape().await.seconds();
    for (agent, states) in seen {
        let truth = harness.truth(&agent, window);
        let merged: f64 =
            ["Unavailable: Lunch", "Unavailable: Break", "LoggedOut"].iter().filter_map(|name| truth.get(*name)).sum();
        assert!((states["Away"] - merged).abs() <= 1.0, "{agent}: {states:?} {truth:?}");
    }
}

#[tokio::test]
async fn the_current_state_and_time_on_shift_are_exact() {
    let harness = AppHarness::new(options(40, habits("open-unlisted clipped")), |_| ()).await;
    let window = last_day(&harness.app.clock);
    let scrape = harness.scrape_exactly("current").await;
    let mut beyond = 0;
    for agent in harness.simulator.workforce().agents() {
        let instant = Window::ending_at(window.end, Duration::from_micros(1));
        let (state, _) = harness.truth(&agent.id, instant).into_iter().next().unwrap();
        let current =
            scrape.get("cxone_agent_current_state_seconds", &[("agent", &agent.id), ("state", &state)]).unwrap();
        // For as long as it says, the agent was in that state, and just before that it was not.
        let [within, before] = [current, current + 3.0].map(|seconds| {
            let span = Window::ending_at(window.end, Duration::from_secs_f64(seconds));
            harness.truth(&agent.id, span)[&state]
        });
        assert!((within - current).abs() <= 1.0, "{}: {current} s in {state}, but {within}", agent.id);
        assert!(before < current + 2.0 || current > LOOKBACK.as_secs_f64(), "{}: longer than {current}", agent.id);
        beyond += usize::from(current > 86_400.0);

        let on_shift = agent.schedule.within(window);
        let offline: f64 =
            on_shift.shifts().iter().filter_map(|shift| harness.truth(&agent.id, *shift).remove("LoggedOut")).sum();
        let seen = scrape.get("cxone_agent_scheduled_offline_seconds", &[("agent", &agent.id)]).unwrap();
        assert!((seen - offline).abs() <= 1.0, "{}: {seen} s offline on shift, not {offline}", agent.id);
    }
    assert!(beyond > 0, "no agent has been away for days");
}
