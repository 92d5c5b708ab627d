//! The official API.

use cxone_exporter::config::{Api, Official};
use cxone_exporter::simulator::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Rule};

use super::*;

const LOOKBACK: Duration = Duration::from_secs(12 * 3_600);

async fn harness(agents: u32, text: &str, page_size: u32) -> PastHarness {
    let options = SimulatorOptions { agents, api_variants: variants(text), page_size, ..SimulatorOptions::default() };
    PastHarness::start(options, |tenant| {
        let base = tenant.connection.base_url.as_str().trim_end_matches('/');
        let token_url = format!("{base}/authentication/v1/token/access-key").parse().unwrap();
        let official = Official::by_access_key(token_url, ACCESS_KEY_ID, ACCESS_KEY_SECRET);
        tenant.official = Some(Official { history_lookback: LOOKBACK, ..official });
        tenant.api = Api::Official;
        tenant.agents.iter_mut().for_each(|agent| agent.team = None);
        (tenant.connection.client_id, tenant.connection.client_secret) = (String::new(), "".into());
        tenant.states.declared = ["Available", "LoggedOut", "WrapUp", "Unavailable"].map(Into::into).to_vec();
        tenant.states.offline = vec!["LoggedOut".into()];
    })
    .await
}

fn truth(harness: &PastHarness) -> impl Fn(&AgentId, Window) -> BTreeMap<String, u64> {
    |agent, window| {
        let truth = harness.simulator.official_truth(agent, window, true).into_iter();
        truth.map(|(state, time)| (state.to_string(), time.get())).collect()
    }
}

/// Reads a range in pieces and compares it with the truth, to within a second for each slot.
async fn assert_exact(harness: &PastHarness, range: Window, slot: Duration, slots: u32, what: &str) -> Read {
    let read = harness.read(range, slot, slots).await;
    read.assert_truth(harness, (range, slot), truth(harness), 1_000_000, what);
    read
}

#[tokio::test]
async fn past_history_is_the_truth_for_each_kind_of_server() {
    let range = Window { start: days_ago(14), end: days_ago(0) };
    let table = [
        "",
        "clipped",
        "kept-by-start",
        "kept-by-start clipped",
        "kept-by-end",
        "kept-by-end bulk-refused longest=30h",
        "bulk-refused",
        "bulk-refused kept-by-start",
        "bulk-refused kept-by-start clipped longest=100h",
        "longest=7h kept-by-start clipped",
        "longest=40h open-unlisted",
        "open-with-zero kept-by-start no-links no-totals empty-as-204",
        "overlapping late=20m",
        "same-index late=20m",
        "no-start open-without-length clipped",
    ];
    for text in table {
        let harness = harness(12, text, 2_000).await;
        assert_exact(&harness, range, HOUR * 3, 500, text).await;
    }
}

#[tokio::test]
async fn agents_beyond_the_first_group_are_read_when_bulk_is_refused() {
    let range = Window { start: days_ago(4), end: days_ago(1) };
    for text in ["bulk-refused", "bulk-refused kept-by-start clipped", "bulk-refused kept-by-end"] {
        let harness = harness(30, text, 2_000).await;
        assert_exact(&harness, range, HOUR * 3, 1_000, text).await;
    }
    // A server that refuses bulk once, at any request.
    for nth in 1..9 {
        for status in [400, 403, 404] {
            let harness = harness(26, "kept-by-start", 2_000).await;
            let fault = format!("history:status={status}@{nth}");
            harness.simulator.faults().push(fault.parse::<Rule>().unwrap());
            assert_exact(&harness, range, HOUR * 3, 1_000, &fault).await;
        }
    }
}

#[tokio::test]
async fn each_combination_of_past_pieces_gives_the_truth() {
    let range = Window { start: days_ago(12), end: days_ago(1) + HOUR * 7 };
    let mut tried = 0;
    // What is independent of the rest goes round with it.
    let parts = ["", "longest=100h", "bulk-refused"];
    for open in ["", "open-without-length", "open-with-zero", "open-unlisted"] {
        for clipped in ["", "clipped"] {
            for kept in ["", "kept-by-start"] {
                for rows in ["", "overlapping", "late=20m", "same-index"] {
                    tried += 1;
                    let what = [open, clipped, kept, rows, parts[tried % 3]].join(" ");
                    let harness = harness(7, &what, [10_000, 971][tried % 2]).await;
                    assert_exact(&harness, range, HOUR * 6, [150, 2_000][tried / 2 % 2], &what).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn past_pieces_ask_nothing_twice() {
    let range = Window { start: days_ago(30), end: days_ago(1) };
    let needed = Window { start: range.start.saturating_sub(LOOKBACK), end: range.end + LOOKBACK };
    for (text, agents) in [("", 1), ("bulk-refused", 12)] {
        let harness = harness(12, text, 10_000).await;
        let read = assert_exact(&harness, range, HOUR, 100, text).await;
        assert!(read.pieces > 30, "{}", read.pieces);
        let length: u64 = read
            .requests_for(Endpoint::History)
            .filter(|request| request.page == 0 && (agents == 1 || !request.agents.is_empty()))
            .map(|request| request.range.unwrap().length().get())
            .sum();
        assert_eq!(length, needed.length().get() * agents, "{text}");
        assert_eq!(read.requests_for(Endpoint::States).count(), 1, "{text}");
        assert_eq!(read.requests_for(Endpoint::Codes).count(), 1, "{text}");
    }
}

#[tokio::test]
async fn pieces_up_to_now_count_running_states() {
    let table =
        ["", "clipped", "kept-by-start", "kept-by-start clipped", "open-unlisted", "bulk-refused open-with-zero"];
    for text in table {
        let harness = harness(12, text, 10_000).await;
        let range = Window { start: days_ago(2), end: NOW };
        assert_exact(&harness, range, HOUR, 200, text).await;
        // The same source goes on later.
        harness.clock.advance(HOUR * 3);
        let next = Window { start: range.end, end: harness.clock.now() };
        assert_exact(&harness, next, HOUR, 20, text).await;
    }
}

#[tokio::test]
async fn failed_pieces_of_history_are_read_again_and_exact() {
    let range = Window { start: days_ago(6), end: days_ago(1) };
    let faults = [
        "history:rate-limited=40@3+5",
        "history:status=503@9+4",
        "history:truncated@4+3",
        "states:cut@9",
        "history:cut-body@7+6",
        "history:garbage@4+2",
        "history:empty@3+2",
        "history:null-data@3+2",
        "codes:status=403",
    ];
    for text in ["", "bulk-refused", "kept-by-start clipped longest=20h"] {
        for fault in faults {
            let harness = harness(8, text, 500).await;
            let rule: Rule = fault.parse().unwrap();
            harness.simulator.faults().push(rule);
            assert_exact(&harness, range, HOUR, 200, &format!("{text} {fault}")).await;
        }
    }
}

#[tokio::test]
async fn refused_agents_fail_alone_in_past_pieces() {
    let mut harness = harness(6, "bulk-refused unknown-agent-refused", 10_000).await;
    let mut tenant = Tenant::clone(&harness.tenant);
    let unknown = Agent { id: "999".into(), ..tenant.agents[0].clone() };
    tenant.agents.insert(2, unknown);
    harness.tenant = Arc::new(tenant);
    let range = Window { start: days_ago(3), end: days_ago(1) };
    let mut read = harness.read(range, HOUR, 100).await;
    assert_eq!(std::mem::take(&mut read.unread), ["999".into()]);
    read.assert_truth(&harness, (range, HOUR), truth(&harness), 1_000_000, "refused");
    // Alone, it is refused as well, and the tenant has not failed.
    let alone = WatchedAgent { id: "999".into(), schedule: None };
    let result = harness.fetch(range, vec![alone], HOUR).await;
    assert!(result.error.is_none() && result.refusal.is_some(), "{:?}", result.error);
}

#[tokio::test]
async fn any_order_of_pieces_gives_the_truth() {
    for text in ["", "kept-by-start clipped", "bulk-refused"] {
        let harness = harness(6, text, 10_000).await;
        let agents: Vec<_> = harness.tenant.agents.iter().map(PastHarness::watched).collect();
        let pieces = [(9, 8, 0..6), (8, 7, 0..6), (7, 6, 0..3), (7, 6, 3..6), (6, 4, 1..5), (9, 8, 2..4), (3, 2, 0..6)];
        for (from, to, places) in pieces {
            let window = Window { start: days_ago(from) + HOUR * 5, end: days_ago(to) + HOUR * 3 };
            let result = harness.fetch(window, agents[places.clone()].to_vec(), DAY * 10).await;
            assert_eq!((result.error, result.answered.len()), (None, places.len()));
            for (agent, presence) in result.answered {
                let presence = presence.unwrap();
                let truth = truth(&harness)(&agent, window);
                for (state, time) in &presence.states {
                    let should = truth.get(&**state).copied().unwrap_or_default();
                    assert!(time.get().abs_diff(should) <= 1_000_000, "{text} {agent} {state}: {time:?}, not {should}");
                }
                assert!(presence.observed.get() + 1_000_000 >= window.length().get(), "{text} {agent}");
            }
        }
    }
}

#[tokio::test]
async fn odd_windows_of_history_have_their_time() {
    let harness = harness(6, "", 10_000).await;
    let agents: Vec<_> = harness.tenant.agents.iter().map(PastHarness::watched).collect();
    let start = days_ago(4) + HOUR * 9;
    let seconds = |seconds| Duration::from_secs(seconds);
    for (start, length, slot) in [
        (start, HOUR, HOUR),
        (start + Duration::from_micros(61_000_007), seconds(3_598), seconds(300)),
        (start + seconds(61), seconds(3_598), DAY),
        (start + seconds(61), seconds(7), Duration::ZERO),
    ] {
        let window = Window { start, end: start + length };
        let result = harness.fetch(window, agents.clone(), slot).await;
        assert_eq!((result.error, result.answered.len()), (None, 6));
        for (_, presence) in result.answered {
            let presence = presence.unwrap();
            let times = presence.parts.iter().flat_map(|part| part.times.iter().map(|(_, time)| time.get()));
            let total: u64 = times.sum();
            assert!(total.abs_diff(window.length().get()) <= 1_000_000, "{length:?} {total}");
            assert_eq!(presence.observed.get(), total);
        }
    }
    let none = harness.fetch(Window { start, end: start + HOUR }, Vec::new(), HOUR).await;
    assert_eq!((none.answered.len(), none.failed.len(), none.error), (0, 0, None));
    let empty = harness.fetch(Window { start, end: start }, agents.clone(), HOUR).await;
    assert_eq!((empty.answered.len(), empty.error), (6, None));
    // What is known of current states is too old for a window that ends now.
    harness.clock.advance(HOUR);
    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::States));
    let late = harness.fetch(Window { start: NOW, end: NOW + HOUR }, agents, HOUR).await;
    assert_eq!((late.failed.len(), late.error.is_some()), (6, true));
}
