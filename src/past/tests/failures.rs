//! Agents, pieces and servers that fail.

use super::*;

#[test]
fn failed_agents_are_retried_and_then_left_out() {
    let zone = TimeZone::UTC;
    let agents = agents(4, &zone);
    let clock = InstantClock::default();
    let mut source = Fake::new(1, vec![limits(4, 240)]);
    source.fails = Box::new(|_, agent| &**agent == "1");
    source.not_before = Some(Monotonic::from_start(Duration::from_secs(600)));
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &zone)).unwrap();
    let (found, unread) = read(&source, &agents, &mut file, &clock);
    assert_eq!(unread.agents, [AgentId::from("1")]);
    assert_eq!(unread.error.unwrap().message, "CXone server error (503)");
    assert!(
        found[1].is_none()
            && [0, 2, 3].iter().all(|other| found[*other].as_ref().unwrap().done_until == half_a_day().end)
    );
    // The first wait lasts until the source allows requests.
    let waits: Vec<u64> = clock.0.lock().unwrap().1.iter().map(Duration::as_secs).collect();
    assert_eq!(waits, [600, 20, 60]);
}

#[test]
fn refused_agents_are_not_retried() {
    let agents = agents(2, &TimeZone::UTC);
    let clock = InstantClock::default();
    let mut source = Fake::new(1, vec![limits(4, 100_000)]);
    source.fails = Box::new(|_, agent| &**agent == "1");
    source.refuses = true;
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (_, unread) = read(&source, &agents, &mut file, &clock);
    assert_eq!(unread.agents, [AgentId::from("1")]);
    // The other agent's second piece is asked without it.
    assert_eq!((*source.calls.lock().unwrap(), clock.0.lock().unwrap().1.len()), (2, 0));
}

#[test]
fn permanent_failures_end_the_run_without_a_wait() {
    let agents = agents(40, &TimeZone::UTC);
    // The last one is that of a 404.
    for kind in [ErrorKind::BadRequest, ErrorKind::Unauthorized, ErrorKind::Forbidden, ErrorKind::UnexpectedStatus] {
        let clock = InstantClock::default();
        let mut source = Fake::new(1, vec![limits(2, 60)]);
        source.fails = Box::new(|_, _| true);
        source.kind = kind;
        let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
        let (_, unread) = read(&source, &agents, &mut file, &clock);
        assert_eq!(unread.agents.len(), 40);
        assert_eq!((*source.calls.lock().unwrap(), clock.0.lock().unwrap().1.len()), (2, 0));
    }
}

#[test]
fn one_odd_answer_is_retried() {
    let agents = agents(2, &TimeZone::UTC);
    // Bodies that are none of CXone's at any time, and refusals once there was an answer.
    let table = [
        (ErrorKind::Decode, 1),
        (ErrorKind::NotJson, 1),
        (ErrorKind::Decode, 3),
        (ErrorKind::BadRequest, 3),
        (ErrorKind::Forbidden, 3),
        (ErrorKind::UnexpectedStatus, 2),
    ];
    for (kind, failing) in table {
        let clock = InstantClock::default();
        let mut source = Fake::new(1, vec![limits(2, 60)]);
        source.fails = Box::new(move |call, _| call == failing);
        source.kind = kind;
        let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
        let log = CapturedLog::start();
        let (_, unread) = read(&source, &agents, &mut file, &clock);
        assert!(unread.agents.is_empty() && unread.error.is_none(), "{kind:?}");
        assert_eq!(clock.0.lock().unwrap().1, [RETRY_WAIT]);
        let retries = log.lines("reading a piece failed; it is tried again");
        assert!(
            retries.len() == 1 && retries[0].contains("agents=2 reason=\"CXone server error (503)\" wait_seconds=5")
        );
    }
}

#[test]
fn waits_are_told_every_30_s() {
    let agents = agents(1, &TimeZone::UTC);
    let mut source = Fake::new(1, vec![limits(1, 100_000)]);
    source.yields = 3;
    source.not_before = Some(Monotonic::from_start(Duration::from_secs(100)));
    let range = Window { start: half_a_day().start + Duration::from_secs(120), ..half_a_day() };
    let mut file = StateFile::temporary(question(range, By::Total, &TimeZone::UTC)).unwrap();
    let clock = InstantClock::default();
    let reader = RangeReader { tenant: "acme", agents: &agents, offline_states: &[], source: &source, clock: &clock };
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let log = CapturedLog::start();
    let mut told = Vec::new();
    let mut progress = |progress: RangeProgress| told.push((clock.monotonic(), progress.done));
    runtime.block_on(reader.read(&mut file, &mut progress)).unwrap();
    let at = |seconds, done| (Monotonic::from_start(Duration::from_secs(seconds)), done);
    let zero = Micros::ZERO;
    assert_eq!(told, [at(0, zero), at(30, zero), at(60, zero), at(90, zero), at(90, range.length())]);
    // The end of the wait is logged once; the time of day of this clock does not move.
    let waiting = log.lines("waiting until CXone allows requests again");
    let until = format!("until={}", fixture::NOW + Duration::from_secs(70));
    assert!(waiting.len() == 1 && waiting[0].contains(&until), "{waiting:?}");
}

#[test]
fn pieces_after_the_first_begin_on_the_grid() {
    let source = Fake::new(1, vec![limits(1, 240)]);
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    read(&source, &agents(1, &TimeZone::UTC), &mut file, &InstantClock::default());
    let answered = source.answered.lock().unwrap();
    let starts: Vec<String> = answered.iter().map(|(_, window)| window.start.to_string()[11..16].to_owned()).collect();
    assert_eq!(starts, ["04:58", "05:00", "09:00", "13:00"]);
}

#[test]
fn other_limits_after_a_failure_need_no_wait() {
    let agents = agents(2, &TimeZone::UTC);
    let clock = InstantClock::default();
    // The limits change with each call.
    let mut source = Fake::new(1, vec![limits(2, 60), limits(2, 30)]);
    source.fails = Box::new(|call, _| call <= 3);
    source.kind = ErrorKind::BadRequest;
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (_, unread) = read(&source, &agents, &mut file, &clock);
    assert!(unread.agents.is_empty() && clock.0.lock().unwrap().1.is_empty());
}

#[test]
fn run_ends_when_nothing_is_read_any_more() {
    let agents = agents(40, &TimeZone::UTC);
    let mut source = Fake::new(1, vec![limits(2, 60)]);
    source.fails = Box::new(|call, _| call > 20);
    let mut file = StateFile::temporary(question(half_a_day(), By::Total, &TimeZone::UTC)).unwrap();
    let (found, unread) = read(&source, &agents, &mut file, &InstantClock::default());
    assert_eq!(unread.agents.len(), 40);
    assert!(found.iter().all(|times| times.as_ref().unwrap().periods(file.periods()).count() == 0));
    // Four times the one piece, and once the next one.
    assert_eq!(*source.calls.lock().unwrap(), 25);
}

#[test]
fn pieces_are_bounded_by_memory() {
    let agents = agents(1_000, &TimeZone::UTC);
    let source = Fake::new(1, vec![limits(1_000, 60 * 24 * 30)]);
    let range = Window { end: half_a_day().start + Duration::from_secs(86_400), ..half_a_day() };
    let mut file = StateFile::temporary(question(range, By::Total, &TimeZone::UTC)).unwrap();
    read(&source, &agents, &mut file, &InstantClock::default());
    let answered = source.answered.lock().unwrap();
    let longest = answered.iter().map(|(_, window)| window.length().get() / 60_000_000).max();
    assert_eq!((longest, answered.len()), (Some(240), 7_000));
}
