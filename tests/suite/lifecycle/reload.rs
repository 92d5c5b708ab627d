//! What a reload changes and keeps.

use std::fs;

use rustix::process::Signal;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn reload_adds_and_removes_agents() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&["--web.enable-lifecycle"]);
    let before = scrape(exporter.address);
    assert_eq!(harness.requests(), (1, 1));

    harness.configure("1h", &[3, 1, 2]);
    let response = http(exporter.address, "POST", "/-/reload");
    assert_eq!((response.status, &*response.body), (200, "reloaded\n"));
    let after = scrape(exporter.address);
    let observed = |metrics: &str, agent| {
        value(metrics, &format!("cxone_agent_observed_seconds{{agent=\"{}\"}}", harness.agent(agent)))
    };
    for agent in [1, 2] {
        assert!(observed(&after, agent).is_some() && observed(&after, agent) == observed(&before, agent));
    }
    assert!(observed(&before, 0).is_some() && observed(&after, 0).is_none());
    assert!(after.contains(&format!("cxone_agent_info{{agent=\"{}\"", harness.agent(3))));
    assert_eq!(value(&after, "cxone_refresh_agents{result=\"fresh\"}"), Some(2.0));
    assert_eq!(value(&after, "cxone_refresh_agents{result=\"missing\"}"), Some(1.0));
    for series in ["cxone_up", "cxone_refresh_last_success_timestamp_seconds", "cxone_token_expiry_timestamp_seconds"] {
        assert!(value(&after, series).is_some() && value(&after, series) == value(&before, series), "{series}");
    }
    assert_eq!(value(&after, "cxone_refreshes_total{result=\"success\"}"), Some(1.0));
    assert_eq!(value(&after, "cxone_exporter_scrapes_total{served=\"cooldown\"}"), Some(1.0));

    // With a shorter cooldown all agents are fetched, in one request and with the same token.
    harness.configure("1s", &[3, 1, 2]);
    assert_eq!(http(exporter.address, "PUT", "/-/reload").status, 200);
    until("the new agent has data", || observed(&scrape(exporter.address), 3));
    let (tokens, pages) = harness.requests();
    assert!(tokens == 1 && pages >= 2, "{tokens} {pages}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_changes_the_budget_of_a_shard() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&["--web.enable-lifecycle", "--shard.index=0", "--shard.total=2"]);
    let (limit, waited) = ("cxone_api_requests_per_minute_limit", "cxone_api_budget_wait_seconds_total");
    let budget = |budget: &str| {
        let tenant = harness.tenant("acme", "1h", &[0, 1, 2, 3, 4, 5]);
        harness.write(
            "cxone.yml",
            &format!("tenants:\n{}", tenant.replacen("    cooldown", &format!("{budget}    cooldown"), 1)),
        );
        http(exporter.address, "POST", "/-/reload")
    };
    let before = scrape(exporter.address);
    assert_eq!((value(&before, limit), value(&before, waited)), (None, None));
    assert_eq!(
        (value(&before, "cxone_exporter_shard_index"), value(&before, "cxone_exporter_shards")),
        (Some(0.0), Some(2.0))
    );
    for (text, part) in [("max_requests_per_minute: 61", 31.0), ("max_requests_per_minute: 2", 1.0)] {
        assert_eq!(budget(&format!("    {text}\n")).status, 200);
        let after = scrape(exporter.address);
        assert_eq!((value(&after, limit), value(&after, waited)), (Some(part), Some(0.0)), "{text}");
        let agents = after.lines().filter(|line| line.starts_with("cxone_agent_info{")).count();
        assert!(agents < 6, "agents of the other shard are missing: {agents}");
    }
    let refused = budget("    max_requests_per_minute: 1\n");
    assert_eq!(refused.status, 500);
    assert!(
        refused.body.contains("1 requests a minute cannot be shared by 2 shards; write at least 2"),
        "{}",
        refused.body
    );
    assert_eq!(value(&scrape(exporter.address), limit), Some(1.0), "the previous configuration stays");
    assert_eq!(budget("").status, 200);
    let without = scrape(exporter.address);
    assert_eq!((value(&without, limit), value(&without, waited)), (None, Some(0.0)));
    let config = http(exporter.address, "GET", "/config").body;
    assert!(config.starts_with("# This is shard 0 of 2, counted from 0: "), "{config}");
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_reload_keeps_the_configuration() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&["--web.enable-lifecycle"]);
    let before = scrape(exporter.address);
    let config = http(exporter.address, "GET", "/config").body;

    let secret = harness.simulator.credentials().client_secret;
    let bad =
        format!("tenants:\n  - name: b/d\n    client_secret: {secret}\n    cooldwn: 1s\n    agents: [{{id: x y}}]\n");
    harness.write("cxone.yml", &bad);
    let response = http(exporter.address, "POST", "/-/reload");
    assert_eq!(response.status, 500);
    for fault in ["cxone.yml:2: tenants[0].name:", "cxone.yml:4: tenants[0]: unknown key `cooldwn`", "client_id"] {
        assert!(response.body.contains(fault), "{fault}: {}", response.body);
    }
    let line = exporter.logged("configuration reload failed");
    assert!(line.contains("level=error") && line.contains("cooldwn"), "{line}");
    assert!(!response.body.contains(secret) && !line.contains(secret));

    let after = scrape(exporter.address);
    let metric = "cxone_exporter_config_last_reload_successful";
    let since = "cxone_exporter_config_last_reload_success_timestamp_seconds";
    assert_eq!((value(&before, metric), value(&after, metric)), (Some(1.0), Some(0.0)));
    assert_eq!(value(&after, since), value(&before, since));
    let series = |metrics: &str| {
        let agents = metrics.lines().filter(|line| line.starts_with("cxone_agent_"));
        agents.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert!(!series(&before).is_empty() && series(&after) == series(&before));
    assert_eq!(http(exporter.address, "GET", "/config").body, config);
    assert_eq!(http(exporter.address, "GET", "/-/ready").status, 200);
    assert_eq!(harness.requests(), (1, 1));

    harness.configure("1h", &[0, 1, 2]);
    assert_eq!(http(exporter.address, "POST", "/-/reload").status, 200);
    let again = scrape(exporter.address);
    assert_eq!(value(&again, metric), Some(1.0));
    assert!(value(&again, since) > value(&before, since));
    assert_eq!(series(&again), series(&before));
    assert_eq!(harness.requests(), (1, 1));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_adds_and_removes_tenants() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&["--web.enable-lifecycle"]);
    scrape(exporter.address);
    let (acme, other) = (harness.tenant("acme", "1h", &[0, 1, 2]), harness.tenant("other", "1h", &[3]));
    harness.write("cxone.yml", &format!("tenants:\n{other}{acme}"));
    assert_eq!(http(exporter.address, "POST", "/-/reload").status, 200);

    let names: serde_json::Value = serde_json::from_str(&http(exporter.address, "GET", "/sd").body).unwrap();
    let names: Vec<_> = names.as_array().unwrap().iter().map(|group| &group["labels"]["tenant"]).collect();
    assert_eq!(names, ["other", "acme"]);
    let acme = http(exporter.address, "GET", "/probe?target=acme").body;
    assert_eq!(value(&acme, "cxone_exporter_scrapes_total{served=\"cooldown\"}"), Some(1.0));
    assert_eq!(value(&acme, "cxone_refreshes_total{result=\"success\"}"), Some(1.0));
    let other = http(exporter.address, "GET", "/probe?target=other").body;
    assert_eq!(value(&other, "cxone_up"), Some(1.0));
    assert_eq!(harness.requests(), (2, 2));

    harness.configure("1h", &[0, 1, 2]);
    exporter.signal(Signal::HUP);
    exporter.logged("removed=1");
    assert_eq!(http(exporter.address, "GET", "/probe?target=other").status, 404);
    assert_eq!(value(&scrape(exporter.address), "cxone_refreshes_total{result=\"success\"}"), Some(1.0));
    assert_eq!(harness.requests(), (2, 2));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_rotates_a_secret() {
    let harness = ProcessHarness::with_defaults().await;
    harness.configure("1s", &[0]);
    harness.write("secret", "not-this-one");
    let exporter = harness.start(&[]);
    assert_eq!(value(&scrape(exporter.address), "cxone_up"), Some(0.0));

    harness.write("secret", harness.simulator.credentials().client_secret);
    exporter.signal(Signal::HUP);
    let line = exporter.logged("configuration reloaded");
    assert!(line.contains("trigger=signal") && line.contains("changed=1"), "{line}");
    until("the new secret is used", || (value(&scrape(exporter.address), "cxone_up") == Some(1.0)).then_some(()));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_reload_needs_web_enable_lifecycle() {
    let harness = ProcessHarness::with_defaults().await;
    let exporter = harness.start(&[]);
    for method in ["POST", "PUT"] {
        let response = http(exporter.address, method, "/-/reload");
        assert_eq!(response.status, 403);
        assert!(response.body.contains("--web.enable-lifecycle"), "{}", response.body);
    }
    for method in ["GET", "DELETE"] {
        let response = http(exporter.address, method, "/-/reload");
        assert_eq!(response.status, 405);
        assert!(response.head.contains("allow: POST, PUT"), "{}", response.head);
    }
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_reload_detects_changes() {
    let harness = ProcessHarness::with_defaults().await;
    let shows =
        |exporter: &Exporter, text: &str| http(exporter.address, "GET", "/config").body.contains(text).then_some(());
    fs::write(harness.path("agents.csv"), "id\n1\n").unwrap();
    let tenant = harness.tenant("acme", "1h", &[0]);
    harness.write("cxone.yml", &format!("tenants:\n{tenant}    agents_file: agents.csv\n"));
    let exporter = harness.start(&["--config.enable-auto-reload", "--config.auto-reload-interval", "1s"]);

    harness.write("agents.csv", "id\n1\n2\n");
    until("the new agent is configured", || shows(&exporter, "- id: \"2\""));
    let line = exporter.logged("configuration reloaded");
    assert!(line.contains("trigger=watch"), "{line}");

    harness.write("agents.csv", "id,nam\n1,\n");
    until("the bad file is refused", || (!is_reload_successful(exporter.address)).then_some(()));
    // The files that are served already: nothing changes but the result of the last reload.
    harness.write("agents.csv", "id\n1\n2\n");
    until("the good file is loaded", || is_reload_successful(exporter.address).then_some(()));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_dotenv_again() {
    let harness = ProcessHarness::with_defaults().await;
    let dotenv = |agents: &str| {
        let credentials = harness.simulator.credentials();
        harness.write(
            ".env",
            &format!(
                "CXONE_BASE_URL={}\nCXONE_CLIENT_ID={}\nCXONE_CLIENT_SECRET={}\nCXONE_AGENT_IDS={agents}\n",
                harness.simulator.base_url(),
                credentials.client_id,
                credentials.client_secret,
            ),
        );
    };
    dotenv("1");
    let exporter = Exporter::start(&["--web.listen-address", "127.0.0.1:0"], harness.folder.path(), &[]);
    dotenv("1,2");
    exporter.signal(Signal::HUP);
    exporter.logged("configuration reloaded");
    assert!(http(exporter.address, "GET", "/config").body.contains("- id: \"2\""));
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_reads_the_leave_file_again() {
    let harness = ProcessHarness::with_defaults().await;
    let tenant = harness.tenant("acme", "1h", &[0, 1]).replace("'\n", "'\n        schedule: always\n");
    let schedules = "schedules:\n  always: { timezone: UTC, days: [mon-sun], hours: \"00:00-24:00\" }\n";
    harness.write("cxone.yml", &format!("tenants:\n{tenant}    leave_file: leave.csv\n{schedules}"));
    harness.write("leave.csv", "id,from,to\n");
    let exporter = harness.start(&["--web.enable-lifecycle"]);
    let shifts = || {
        let metrics = scrape(exporter.address);
        [0, 1].map(|agent| value(&metrics, &format!("cxone_agent_on_shift{{agent=\"{}\"}}", harness.agent(agent))))
    };
    assert_eq!(shifts(), [Some(1.0), Some(1.0)]);
    let reload = |rows: &str| {
        harness.write("leave.csv", &format!("id,from,to\n{rows}\n"));
        http(exporter.address, "POST", "/-/reload")
    };
    assert_eq!(reload(&format!("{},2020-01-01,", harness.agent(1))).status, 200);
    assert_eq!(shifts(), [Some(1.0), Some(0.0)], "leave counts at once, without a refresh");
    assert_eq!(harness.requests().1, 1);
    let refused = reload(&format!("{},2020-01-01,2019-12-31", harness.agent(0)));
    assert!(refused.status == 500 && refused.body.contains("leave.csv:2: ends before it begins"), "{}", refused.body);
    assert_eq!(shifts(), [Some(1.0), Some(0.0)], "a faulty file changes nothing");
    assert_eq!(reload("").status, 200);
    assert_eq!(shifts(), [Some(1.0), Some(1.0)]);
    harness.simulator.shutdown().await;
}
