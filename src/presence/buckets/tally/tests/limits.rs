//! Limits of states and buckets.

use super::*;

#[test]
fn smallest_of_too_many_states_are_summed() {
    let names: Vec<String> = (0..70).map(|at| format!("State {at:02}")).collect();
    // The higher the number the longer, from 1 s; State 00 is declared, so it stays though it is the smallest.
    let states: Vec<_> = names.iter().zip(1_u32..).map(|(name, seconds)| (name.as_str(), f64::from(seconds))).collect();
    let mut tally = tally_of((0, 86_400), &["a"]);
    tally.names = StateNames::new(&[Arc::from("State 00")]);
    tally.known_names = tally.names.len();
    tally.declared = vec![Arc::from("State 00")];
    push(&mut tally, &("a", 0, 86_400, &states));
    let outcome = tally.finish();
    let presence = outcome.agents[0].as_ref().unwrap();
    assert_eq!(presence.states.len(), MAX_STATES_PER_AGENT + 1);
    assert!(presence.states.is_sorted());
    assert_eq!(presence.states[0], (Arc::from("State 00"), Micros::from_seconds(1)));
    assert_eq!(presence.states[1], (Arc::from("State 07"), Micros::from_seconds(8)));
    assert_eq!(presence.states[64], (Arc::from(OTHER_STATE), Micros::from_seconds((2..=7).sum())));
    // The strip's places are those of the states that are left.
    let shown: Vec<_> = presence.chart.slots().flat_map(|cell| cell.shares().collect::<Vec<_>>()).collect();
    for (place, time) in shown.iter().filter(|(place, _)| *place < 64) {
        assert_eq!(presence.states[usize::from(*place)].1, *time, "{shown:?}");
    }
    assert!(shown.len() > 2, "{shown:?}");
    assert_eq!(presence.observed, Micros::from_seconds((1..=70).sum()));
    assert_eq!(
        presence.folded,
        ["State 01", "State 02", "State 03", "State 04", "State 05", "State 06"].map(Arc::from)
    );
}

#[test]
fn declared_states_count_towards_the_limit() {
    let names: Vec<String> = (0..80).map(|at| format!("State {at:02}")).collect();
    let states: Vec<_> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    let declared = ["State 79", "Never", "Seen"].map(StateName::from);
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(86_400) };
    let agents = vec![WatchedAgent { id: "a".into(), schedule: None }];
    let mut tally = Tally::new(window, agents, ["Offline".into()].into(), &declared);
    push(&mut tally, &("a", 0, 86_400, &states));
    let presence = tally.finish().agents.remove(0).unwrap();
    // Two declared states without time have a series as well.
    assert_eq!(presence.states.len(), MAX_STATES_PER_AGENT - 2 + 1);
    assert!(presence.states.iter().any(|(name, _)| **name == *"State 79"));
    assert_eq!(presence.folded.len(), 80 - 62);
}

#[test]
fn sixty_four_states_and_other_are_left_alone() {
    let names: Vec<String> = (0..64).map(|at| format!("State {at:02}")).collect();
    let states: Vec<_> = names.iter().map(String::as_str).chain([OTHER_STATE]).map(|name| (name, 1.0)).collect();
    let outcome = count((0, 86_400), &["a"], &[("a", 0, 86_400, &states)]);
    assert_eq!(seconds(&outcome).len(), 65);
    assert!(seconds(&outcome).iter().all(|(_, seconds)| *seconds == 1.0));
}

#[test]
fn invented_state_names_do_not_create_series() {
    let ids: Vec<String> = (0..MAX_STATES_PER_TALLY + 10).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut tally = tally_of((0, 10_000), &ids);
    for (&id, length) in ids.iter().zip(1_u32..) {
        push(&mut tally, &(id, 0, 10_000, &[(id, f64::from(length))]));
    }
    let outcome = tally.finish();
    let folded = outcome.agents.iter().flatten().take_while(|presence| *presence.states[0].0 == *OTHER_STATE);
    assert_eq!(folded.inspect(|presence| assert_eq!(presence.current, None)).count(), 10);
    let all: Micros = outcome.agents.iter().flatten().map(|presence| presence.observed).sum();
    assert_eq!(all, Micros::from_seconds((1..=MAX_STATES_PER_TALLY as u64 + 10).sum()));
}

#[test]
fn states_of_a_bucket_and_buckets_are_limited() {
    let names: Vec<String> = (0..2_000).map(|name| name.to_string()).collect();
    let states: Vec<_> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    let mut tally = tally_of((0, 86_400), &["a"]).with_max_buckets(2);
    push(&mut tally, &("a", 0, 3_600, &states));
    assert!(!tally.is_full());
    push(&mut tally, &("a", 3_600, 7_200, &[("Busy", 5.0)]));
    assert!(tally.is_full());
    push(&mut tally, &("a", 7_200, 10_800, &[("Busy", 5.0)]));
    let outcome = tally.finish();
    assert_eq!(rejected(&outcome), [(Rejection::TooMany, 1)]);
    assert_eq!(outcome.agents[0].as_ref().unwrap().observed, Micros::from_seconds(2_005));
}
