//! Pseudonyms, and teams in place of agents, on every route and in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cxone_exporter::config::{AgentLabel, Incremental, Privacy, Pseudonyms};
use cxone_exporter::presence::{Schedule, Shift, TimeZone};

use super::*;
use crate::app::COOLDOWN;

#[tokio::test]
async fn pseudonyms_hide_every_agent_id() {
    let pseudonyms = Pseudonyms::new("a key that is long enough".into());
    let privacy =
        Privacy { agent_label: AgentLabel::Hmac(Box::new(pseudonyms)), show_names: false, ..Privacy::default() };
    let (app, upstream) = app(|builder| {
        builder.configure(|tenant| {
            tenant.privacy = privacy;
            tenant.agents.iter_mut().for_each(|agent| agent.name = None);
        })
    })
    .await;
    let scraped = app.scrape().await;
    let tenant = app.refresher().tenant();
    let label = tenant.label(&tenant.agents[0]);
    assert_eq!(scraped.samples("cxone_agent_info").count(), 2);
    for path in ["/metrics", "/", "/config"] {
        let text = app.get(path, "").await.text();
        assert!(text.contains(&*label), "{path}: {text}");
        assert!(!text.contains(&*tenant.agents[0].id) && !text.contains("Pl4nted"), "{path}: {text}");
    }
    assert!(upstream.pages().len() == 2, "requests have the ids");
    app.assert_no_secrets().await;
}

#[tokio::test]
async fn per_agent_false_shows_no_single_agent() {
    let clock = DrivenClock::new(NOW);
    let refuses = Arc::new(AtomicBool::new(false));
    let is_refused = Arc::clone(&refuses);
    let upstream = ScriptedServer::start(&clock, move |request| match is_refused.load(Ordering::Relaxed) {
        true => Response::json(r#"{"error":"agent 1000000000000000000 (Pl4nted)"}"#).with_status(400),
        false => hour(request),
    })
    .await;
    let builder = TestAppBuilder::new(&upstream.base_url()).configure(|tenant| {
        tenant.privacy.per_agent = false;
        tenant.query.incremental = Some(Incremental::default());
        tenant.agents[0].schedule = Some(Arc::new(always()));
    });
    let app = builder.start(&clock).await;
    let tenant = app.refresher().tenant();
    let scraped = app.scrape().await;
    assert_eq!(scraped.value("cxone_up"), Some(1.0));
    for (name, state, value) in [
        ("cxone_team_agents", Some("Available"), 2.0),
        ("cxone_team_state_seconds", Some("Available"), 7_200.0),
        ("cxone_team_state_time_seconds_total", Some("Available"), 0.0),
        ("cxone_team_scheduled_seconds", None, 86_400.0),
    ] {
        let mut samples = scraped.samples(name).filter(|sample| sample.label("state") == state);
        let sample = samples.next().unwrap_or_else(|| panic!("{name}"));
        assert_eq!((sample.label("team"), sample.value), (Some("Billing"), value), "{name}");
    }
    refuses.store(true, Ordering::Relaxed);
    clock.advance(COOLDOWN);
    app.scrape().await;
    assert!(!app.warnings().is_empty(), "the refused refresh is logged");

    let id = &*tenant.agents[0].id;
    let probe = format!("/probe?target={}", tenant.name);
    let cases = [
        ("/metrics", 200),
        (&*probe, 200),
        ("/", 200),
        (&*format!("/?q={id}"), 200),
        ("/?team=Billing&state=Available&attention=stale", 200),
        ("/?format=csv", 404),
        (&*format!("/agent?agent={id}"), 404),
        ("/agent?agent=unknown", 404),
        ("/config", 200),
        ("/sd", 200),
    ];
    for (path, status) in cases {
        let response = app.get(path, "").await;
        let text = response.text();
        assert_eq!(response.status, status, "{path}");
        assert!(!text.contains("10000000000000000") && !text.contains("Pl4nted"), "{path}: {text}");
        if path.starts_with("/metrics") || path.starts_with("/probe") {
            let document = Document::parse(&text, Format::Text).unwrap();
            let labels = document.samples().into_iter().flat_map(|sample| &sample.labels);
            assert!(!labels.map(|(name, _)| name).any(|name| name == "agent"), "{path}: {text}");
        }
    }
    let [page, filtered] = ["/", "/?q=1000000000000000000&team=Other"].map(|path| app.get(path, ""));
    assert_eq!(page.await.text(), filtered.await.text(), "a filter could single out an agent");
    assert!(app.get("/agent?agent=1", "").await.text().contains("shows teams only"));
    let logged: Vec<String> = app.lines().iter().map(ToString::to_string).collect();
    assert!(!logged.concat().contains("10000000000000000"), "{logged:?}");
    app.assert_no_secrets().await;
}

/// Shifts that leave no time out.
fn always() -> Schedule {
    let midnight = chrono::NaiveTime::MIN;
    let hours = vec![Shift { start: midnight, end: midnight }];
    Schedule { timezone: TimeZone::UTC, days: [true; 7], hours, holidays: Vec::new(), leave: Vec::new() }
}
