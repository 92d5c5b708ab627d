//! The web configuration file: good and bad ones with their messages, and its effect on requests.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cxone_exporter::web::LiveWebConfig;
use tempfile::TempDir;

use super::*;

/// `correct horse` and `battery staple`, at bcrypt's lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
const OTHER_HASH: &str = "$2b$04$zyxwvutsrqponmlkjihgfeEj9hZ0r426ruQozKPdS8ZvkuJvyAjnm";

fn files(ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/configs/web").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    files.sort();
    files
}

#[test]
fn good_web_configs_are_accepted() {
    let files = files(".good.yml");
    assert_eq!(files.len(), 17);
    for path in files.iter().map(PathBuf::as_path).chain([Path::new("deploy/config/web-config.yml")]) {
        LiveWebConfig::check(path).unwrap_or_else(|faults| panic!("{}: {faults}", path.display()));
    }
}

#[test]
fn web_config_warnings() {
    let warnings = |name: &str| LiveWebConfig::check(Path::new(&format!("tests/configs/web/{name}.good.yml"))).unwrap();
    let table = [
        ("auth_without_ca", "any CA that this system trusts"),
        ("cert_twice", "counts, and `cert` beside it does not"),
        ("rate_without_burst", "no request at all is allowed"),
        ("sans_empty", "refuses every client"),
        ("sans_unverified", "any client can create one with such a name"),
        ("sans_without_auth", "these names have no effect"),
        ("tls_nothing", "there is no TLS"),
    ];
    for (name, expected) in table {
        let warnings = warnings(name);
        assert!(matches!(&*warnings, [one] if one.contains(expected)), "{name}: {warnings:?}");
    }
    for name in ["complete", "empty", "tls", "null_sections"] {
        assert_eq!(warnings(name), [""; 0], "{name}");
    }
}

#[test]
fn bad_web_configs_have_messages() {
    let messages: Vec<_> = files(".bad.yml")
        .iter()
        .map(|path| LiveWebConfig::check(path).expect_err(path.to_str().unwrap()).to_string())
        .collect();
    let text = messages.join("\n\n");
    assert!(!text.contains("hunter2"), "{text}");
    insta::with_settings!({ snapshot_path => "../../golden/web", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("bad-files", text);
    });
}

#[test]
fn documented_web_config_example_is_valid() {
    let page = fs::read_to_string("docs/web-config.md").unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = folder(example);
    LiveWebConfig::check(&dir.path().join("web.yml")).unwrap();
}

/// A folder with the certificates and `text` as `web.yml`.
fn folder(text: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in ["server.pem", "server.key", "ca.pem"] {
        fs::copy(Path::new("tests/configs/web").join(name), dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("web.yml"), text).unwrap();
    dir
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn changed_passwords_and_headers_apply_at_once() {
    let headers = "http_server_config: { headers: { X-Frame-Options: deny } }\n";
    let dir = folder(&format!("{headers}basic_auth_users: {{ alice: {HASH} }}\n"));
    let (app, _upstream) = guarded(dir.path().join("web.yml")).await;
    let right = basic("alice", "correct horse");
    for (authorization, status) in [
        ("", 401),
        (&*right, 200),
        (&*right, 200),
        (&*basic("alice", "wrong"), 401),
        (&*basic("bob", "correct horse"), 401),
    ] {
        let reply = app.get("/-/healthy", authorization).await;
        assert_eq!((reply.status, reply.header("x-frame-options")), (status, Some("deny")));
        assert_eq!(reply.header("www-authenticate"), (status == 401).then_some("Basic"));
    }
    fs::write(dir.path().join("web.yml"), format!("basic_auth_users: {{ alice: {OTHER_HASH} }}\n")).unwrap();
    assert_eq!(app.get("/-/healthy", &right).await.status, 401);
    let other = basic("alice", "battery staple");
    let reply = app.get("/-/healthy", &other).await;
    assert_eq!((reply.status, reply.header("x-frame-options")), (200, None));
    fs::write(dir.path().join("web.yml"), "basic_auth_users: { alice: plain }\n").unwrap();
    assert_eq!(app.get("/-/healthy", "").await.status, 401, "a faulty file admits no client");
    let metrics = app.get("/metrics", &other).await.text();
    assert!(metrics.contains("cxone_exporter_web_config_last_reload_successful 0\n"), "{metrics}");
    assert!(metrics.contains("http_rejected_total{reason=\"unauthorized\"} 5\n"), "{metrics}");
}

#[tokio::test]
async fn rate_limit_applies_before_authentication() {
    let limit = "rate_limit: { interval: 2s, burst: 2 }";
    let dir = folder(&format!("{limit}\nbasic_auth_users: {{ alice: {HASH} }}\n"));
    let (app, _upstream) = guarded(dir.path().join("web.yml")).await;
    let statuses = [401, 401, 429];
    for status in statuses {
        assert_eq!(app.get("/-/healthy", "").await.status, status);
    }
    app.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(app.get("/-/healthy", "").await.status, 401);
    assert_eq!(app.get("/-/healthy", "").await.status, 429);
    // As in the toolkit: without a burst no request is allowed.
    let dir = folder("rate_limit: { interval: 1s }");
    let (app, _upstream) = guarded(dir.path().join("web.yml")).await;
    app.clock.advance(std::time::Duration::from_secs(100));
    assert_eq!(app.get("/-/healthy", "").await.status, 429);
}
