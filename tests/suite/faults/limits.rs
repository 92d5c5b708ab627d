//! Limits on series and log lines that a tenant can cause.

use super::*;

#[tokio::test]
async fn series_of_unknown_states_are_limited() {
    let clock = DrivenClock::new(NOW);
    let upstream = ScriptedServer::start(&clock, |request| {
        let states: Vec<_> =
            (1..=200).map(|nth| format!(r#"{{"state":"S{nth:03}","duration":{}}}"#, nth % 18)).collect();
        let honest = record(request, 0, 0);
        let head = honest.split(r#""states":"#).next().unwrap();
        Response::json(format!(r#"{{"data":[{head}"states":[{}]}}]}}"#, states.join(",")))
    })
    .await;
    let app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    let scrape = app.scrape().await;
    assert_eq!(scrape.value("cxone_states_unknown"), Some(200.0));
    let total: u32 = (1..=200).map(|nth| nth % 18).sum();
    for states in scrape.seconds().values() {
        // The four declared states are there at zero, and count among the 64.
        let seen: BTreeMap<_, _> = states.iter().filter(|(_, time)| **time > 0.0).collect();
        assert_eq!((seen.len(), states.len()), (61, 65));
        assert!(states["__other__"] > 0.0);
        assert!((states.values().sum::<f64>() - f64::from(total)).abs() < 1e-6, "folded time is not lost");
    }
}

#[tokio::test]
async fn a_failure_is_logged_when_it_begins_changes_and_ends() {
    let clock = DrivenClock::new(NOW);
    let mode = Arc::new(AtomicU8::new(0));
    let upstream = ScriptedServer::start(&clock, {
        let mode = Arc::clone(&mode);
        move |request| match mode.load(Ordering::Relaxed) {
            0 => Response::json(page(request, 0)),
            1 => Response::status(403),
            2 => Response::status(500).body(format!("incident number {}", request.nth)),
            _ => Response::status(429).header("Retry-After", format!("{}", 200 + request.nth)),
        }
    })
    .await;
    let app = TestAppBuilder::new(&upstream.base_url()).start(&clock).await;
    // For each mode, three hours of scrapes, one in five minutes.
    let mut logged = Vec::new();
    for now in [0, 1, 2, 3, 0] {
        mode.store(now, Ordering::Relaxed);
        let before = app.lines().len();
        for _ in 0..36 {
            app.scrape().await;
            clock.advance(Duration::from_secs(300));
        }
        let lines = app.lines().split_off(before);
        let is_shown = |line: &&crate::app::log::LogLine| line.level <= tracing::Level::INFO;
        logged.push(lines.iter().filter(is_shown).map(|line| line.message.clone()).collect::<Vec<_>>());
    }
    let failed = vec!["refresh failed".to_owned()];
    let expected = [
        vec!["first refresh succeeded".to_owned()],
        failed.clone(),
        failed.clone(),
        failed,
        vec!["refresh recovered".to_owned()],
    ];
    assert_eq!(logged, expected);
}
