//! The freshness contract over time: ages and validity are correct for any behaviour of the clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock};
use cxone_exporter::presence::{Schedule, Shift, TimeZone, Timestamp};

use crate::app::scraped::Scraped;
use crate::app::{HOUR, NOW, TestApp, TestAppBuilder};
use crate::scripted::{Request, Response, ScriptedServer};

const GOOD: u8 = 0;
const BAD: u8 = 1;
/// The second agent's batch fails.
const PARTLY: u8 = 2;

/// A tenant in a mode that the test sets. Every agent was Available all the last hour before `now`.
async fn tenant(clock: &DrivenClock, mode: &Arc<AtomicU8>, ahead_seconds: &Arc<AtomicI64>) -> ScriptedServer {
    let (clock_of_answers, mode, ahead) = (clock.clone(), Arc::clone(mode), Arc::clone(ahead_seconds));
    ScriptedServer::start(clock, move |request| {
        let bad = match mode.load(Ordering::Relaxed) {
            BAD => true,
            PARTLY => request.query("agentIds").unwrap().ends_with('1'),
            _ => false,
        };
        let answer = if bad { Response::json("nonsense") } else { Response::json(page(request)) };
        let seconds = clock_of_answers.now().micros() / 1_000_000 + ahead.load(Ordering::Relaxed);
        let date = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap());
        answer.header("Date", httpdate::fmt_http_date(date))
    })
    .await
}

fn page(request: &Request) -> String {
    let end = Timestamp::parse(request.query("endTime").unwrap().as_bytes()).unwrap();
    let (agent, start) = (request.query("agentIds").unwrap(), end.saturating_sub(HOUR));
    let states = r#"[{"state":"Available","duration":3600}]"#;
    format!(r#"{{"data":[{{"agentId":"{agent}","startTime":"{start}","endTime":"{end}","states":{states}}}]}}"#)
}

async fn app(clock: &DrivenClock) -> (TestApp, ScriptedServer, Arc<AtomicU8>, Arc<AtomicI64>) {
    let (mode, ahead) = (Arc::new(AtomicU8::new(GOOD)), Arc::new(AtomicI64::new(0)));
    let upstream = tenant(clock, &mode, &ahead).await;
    let app = TestAppBuilder::new(&upstream.base_url()).start(clock).await;
    (app, upstream, mode, ahead)
}

/// A timestamp metric, in seconds since [`NOW`].
fn moment(scrape: &Scraped, name: &str) -> Option<f64> {
    scrape.value(name).map(|seconds| seconds - NOW.seconds_f64())
}

#[tokio::test]
async fn freshness_over_a_day_of_failures_and_recoveries() {
    const NONE: [f64; 3] = [0.0, 0.0, 2.0];
    const OLD: [f64; 3] = [0.0, 2.0, 0.0];
    const ALL: [f64; 3] = [2.0, 0.0, 0.0];
    /// Seconds since the start; the tenant's mode; `cxone_up`; agents fresh, stale, missing; what the scrape
    /// is counted as; the last full success, whose window ends with it; the last attempt; requests so far.
    type Step = (u64, u8, f64, [f64; 3], &'static str, Option<f64>, Option<f64>, usize);
    let day: &[Step] = &[
        (0, BAD, 0.0, NONE, "none", None, Some(0.0), 2),
        (59, GOOD, 0.0, NONE, "none", None, Some(0.0), 2),
        (75, GOOD, 1.0, ALL, "fresh", Some(75.0), Some(75.0), 4),
        (105, GOOD, 1.0, ALL, "cooldown", Some(75.0), Some(75.0), 4),
        (134, BAD, 1.0, ALL, "cooldown", Some(75.0), Some(75.0), 4),
        (135, BAD, 0.0, OLD, "stale", Some(75.0), Some(135.0), 6),
        (150, BAD, 0.0, OLD, "stale", Some(75.0), Some(135.0), 6),
        (210, BAD, 0.0, OLD, "stale", Some(75.0), Some(210.0), 8),
        // The second wait in a row is twice as long.
        (329, GOOD, 0.0, OLD, "stale", Some(75.0), Some(210.0), 8),
        (360, GOOD, 1.0, ALL, "fresh", Some(360.0), Some(360.0), 10),
        (420, PARTLY, 0.0, [1.0, 1.0, 0.0], "stale", Some(360.0), Some(420.0), 12),
        (479, GOOD, 0.0, [1.0, 1.0, 0.0], "stale", Some(360.0), Some(420.0), 12),
        // Only the failed batch is asked again, so the full success stays where it was.
        (495, GOOD, 1.0, [1.0, 1.0, 0.0], "fresh", Some(360.0), Some(495.0), 13),
        (555, GOOD, 1.0, ALL, "fresh", Some(555.0), Some(555.0), 15),
        (615, BAD, 0.0, OLD, "stale", Some(555.0), Some(615.0), 17),
        (690, BAD, 0.0, OLD, "stale", Some(555.0), Some(690.0), 19),
        (840, BAD, 0.0, OLD, "stale", Some(555.0), Some(840.0), 21),
        (1140, BAD, 0.0, OLD, "stale", Some(555.0), Some(1140.0), 23),
        // The data of 555 is served for 15 minutes and not a second longer.
        (1454, BAD, 0.0, OLD, "stale", Some(555.0), Some(1454.0), 25),
        (1455, BAD, 0.0, NONE, "none", Some(555.0), Some(1454.0), 25),
        (1753, BAD, 0.0, NONE, "none", Some(555.0), Some(1454.0), 25),
        (1754, PARTLY, 0.0, [1.0, 0.0, 1.0], "stale", Some(555.0), Some(1754.0), 27),
        (2054, GOOD, 1.0, [1.0, 1.0, 0.0], "fresh", Some(555.0), Some(2054.0), 28),
        // No scrape for a day: nothing is sent, and nothing old is shown as new.
        (90_000, GOOD, 1.0, ALL, "fresh", Some(90_000.0), Some(90_000.0), 30),
    ];
    let clock = DrivenClock::new(NOW);
    let (app, upstream, mode, _) = app(&clock).await;
    let mut before: Option<Scraped> = None;
    for (at, how, up, agents, served, success, attempt, requests) in day {
        clock.advance(Duration::from_secs(*at) - app.now());
        mode.store(*how, Ordering::Relaxed);
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("cxone_up"), Some(*up), "at {at}");
        assert_eq!(scrape.agents(), *agents, "at {at}");
        let counted = match &before {
            Some(before) => scrape.served_since(before),
            None => vec!["none".to_owned()],
        };
        assert_eq!(counted, [*served], "at {at}");
        assert_eq!(moment(&scrape, "cxone_refresh_last_success_timestamp_seconds"), *success, "at {at}");
        assert_eq!(moment(&scrape, "cxone_window_end_timestamp_seconds"), *success, "at {at}");
        assert_eq!(moment(&scrape, "cxone_window_start_timestamp_seconds"), success.map(|end| end - 86_400.0));
        assert_eq!(moment(&scrape, "cxone_refresh_last_attempt_timestamp_seconds"), *attempt, "at {at}");
        assert!(moment(&scrape, "cxone_refresh_not_before_timestamp_seconds") >= attempt.map(|at| at + 60.0));
        assert_eq!(upstream.pages().len(), *requests, "at {at}");
        // No data is not zero.
        let known = agents[0] + agents[1];
        assert_eq!(
            scrape.samples("cxone_agent_observed_seconds").count(),
            if known > 1.0 { 2 } else { usize::from(known > 0.0) }
        );
        assert_eq!(scrape.samples("cxone_agent_info").count(), 2, "at {at}");
        before = Some(scrape);
    }
    let warnings: Vec<_> = app.warnings().iter().map(ToString::to_string).collect();
    let begun: Vec<_> = warnings.iter().map(|line| line.contains("result=partial")).collect();
    // Failures begin at 0, 135, 420 and 615; the partial success at 1754 is no change.
    assert_eq!(begun, [false, false, true, false], "{warnings:#?}");
    let again = app.lines().iter().filter(|line| line.message == "refresh recovered").count();
    assert_eq!(again, 4);
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn wall_clock_jumps_change_no_wait() {
    // What jumps by how many seconds, 30 s after a refresh; then agents fresh, stale, missing at once.
    let cases: [(&str, i64, [f64; 3]); 6] = [
        ("a step back by a second", -1, [2.0, 0.0, 0.0]),
        ("a step back by an hour", -3600, [2.0, 0.0, 0.0]),
        ("a step back to long ago", -1_000_000_000, [2.0, 0.0, 0.0]),
        ("a step forward within the cooldown", 20, [2.0, 0.0, 0.0]),
        ("a step forward by five minutes", 300, [2.0, 0.0, 0.0]),
        // A wrong clock and a suspended machine look the same here: the data may be old.
        ("a step forward by an hour, or an hour asleep", 3600, [0.0, 0.0, 2.0]),
    ];
    for (name, jump, agents) in cases {
        println!("{name}");
        let clock = DrivenClock::new(NOW);
        let (app, upstream, ..) = app(&clock).await;
        app.scrape().await;
        clock.advance(Duration::from_secs(30));
        clock.step_to(Timestamp::from_micros(clock.now().micros() + jump * 1_000_000));
        let jumped = app.scrape().await;
        assert_eq!(jumped.agents(), agents);
        assert_eq!(upstream.pages().len(), 2, "a jump shortens no wait");

        clock.advance(Duration::from_secs(29));
        app.scrape().await;
        assert_eq!(upstream.pages().len(), 2);
        clock.advance(Duration::from_secs(1));
        let after = app.scrape().await;
        assert_eq!(upstream.pages().len(), 4, "a jump lengthens no wait");
        assert_eq!((after.value("cxone_up"), after.agents()), (Some(1.0), [2.0, 0.0, 0.0]));
        // From now on all timestamps follow the new time.
        let end = after.value("cxone_window_end_timestamp_seconds");
        assert_eq!(end, Some(clock.now().seconds_f64()));
        assert_eq!(after.value("cxone_refresh_last_success_timestamp_seconds"), end);
        assert_eq!(after.value("cxone_refresh_not_before_timestamp_seconds"), end.map(|end| end + 60.0));
    }
}

#[tokio::test]
async fn clock_skew_is_logged_when_it_begins_changes_and_ends() {
    let clock = DrivenClock::new(NOW);
    let (app, _upstream, _, ahead) = app(&clock).await;
    // Seconds that the tenant is ahead, and the reported skew.
    let steps = [
        (0, 0.0),
        (60, 0.0),
        (-60, 0.0),
        (3600, 3600.0),
        (3700, 3700.0),
        (59, 59.0),
        (61, 61.0),
        (30, 0.0),
        (-7200, -7200.0),
        (7200, 7200.0),
        (0, 0.0),
    ];
    for (seconds, reported) in steps {
        ahead.store(seconds, Ordering::Relaxed);
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("cxone_clock_skew_seconds"), Some(reported), "{seconds}");
        clock.advance(Duration::from_secs(60));
    }
    let lines: Vec<_> = app.lines().into_iter().filter(|line| line.message.contains("clock")).collect();
    let logged: Vec<_> = lines.iter().map(|line| (line.is_warning(), line.field("ahead_seconds"))).collect();
    let expected = [
        (true, Some("3600")),
        (true, Some("59")),
        (false, None),
        (true, Some("-7200")),
        (true, Some("7200")),
        (false, None),
    ];
    assert_eq!(logged, expected);
}

#[tokio::test]
async fn schedule_follows_daylight_saving_time() {
    // In Berlin the night of 2026-03-29 has no hour from two to three, that of 2026-10-25 has it twice.
    let nights = [("2026-03-29T12:00:00Z", 3.0), ("2026-03-30T12:00:00Z", 4.0), ("2026-10-25T12:00:00Z", 5.0)];
    for (now, hours) in nights {
        let clock = DrivenClock::new(Timestamp::parse(now.as_bytes()).unwrap());
        let (mode, ahead) = Default::default();
        let upstream = tenant(&clock, &mode, &ahead).await;
        let [start, end] = [1, 5].map(|hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap());
        let schedule = Schedule {
            timezone: TimeZone::named("Europe/Berlin").unwrap(),
            days: [true; 7],
            hours: vec![Shift { start, end }],
            holidays: Vec::new(),
            leave: Vec::new(),
        };
        let builder = TestAppBuilder::new(&upstream.base_url())
            .configure(|tenant| tenant.agents[0].schedule = Some(Arc::new(schedule)));
        let app = builder.start(&clock).await;
        let scrape = app.scrape().await;
        let scheduled: Vec<_> = scrape.samples("cxone_agent_scheduled_seconds").map(|sample| sample.value).collect();
        assert_eq!(scheduled, [hours * 3600.0], "{now}");
    }
}
