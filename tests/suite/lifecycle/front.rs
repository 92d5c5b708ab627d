//! Listeners and web configuration of the process: addresses, sockets and prefixes, with TLS and with passwords.

use std::net::TcpListener as StdListener;
use std::path::Path;

use super::service::passing_socket;
use super::*;

/// The absolute path of a web configuration of tests/configs/web.
fn web_config(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/web").join(name);
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_needs_no_credentials() {
    let harness = ProcessHarness::with_defaults().await;
    for (file, text) in [
        ("users.yml", "basic_auth_users: { alice: $2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e }\n"),
        ("rate.yml", "rate_limit: { interval: 1h, burst: 1 }\n"),
    ] {
        harness.write(file, text);
    }
    let (users, rate) = (harness.path("users.yml"), harness.path("rate.yml"));
    let configs = [
        (users.to_str().unwrap().to_owned(), false, 401),
        (rate.to_str().unwrap().to_owned(), false, 200),
        (web_config("tls.good.yml"), true, 200),
        (web_config("auth_RequireAnyClientCert.good.yml"), true, 0),
    ];
    for (config, tls, status) in configs {
        let exporter = harness.start(&["--web.config.file", &config]);
        let healthy = |scheme: &str, path: &str| {
            let output = run(&["healthcheck", &format!("{scheme}://{}{path}", exporter.address)]);
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        match (tls, status) {
            (false, status) => assert_eq!(http(exporter.address, "GET", "/-/healthy").status, status, "{config}"),
            (true, 200) => assert_eq!(https(exporter.address, "/-/healthy").status, 200),
            (true, _) => {}
        }
        // The health check of images and Compose files uses plain HTTP, also against TLS.
        assert_eq!(healthy("http", "/-/healthy"), (Some(0), String::new()), "{config}");
        assert_eq!(healthy("https", "/-/healthy").0, Some(i32::from(!tls)), "{config}");
        if status == 200 && tls {
            let (code, message) = healthy("http", "/-/nothing");
            assert!(code == Some(1) && message.contains("answered 404"), "{message}");
        }
    }
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_listeners_use_tls() {
    let harness = ProcessHarness::with_defaults().await;
    let config = web_config("tls.good.yml");
    let exporter = harness.start(&["--web.listen-address", "[::1]:0", "--web.config.file", &config]);
    let second = exporter.listening();
    assert!(exporter.address.is_ipv4() && second.is_ipv6(), "{} {second}", exporter.address);
    for address in [exporter.address, second] {
        assert_eq!(https(address, "/-/ready").status, 200, "{address}");
    }
    let listener = StdListener::bind("[::1]:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = passing_socket(&harness, listener);
    command.args(["--web.config.file", &config]);
    let passed = Exporter::spawn(command);
    assert_eq!(passed.address, address);
    assert_eq!(https(address, "/-/ready").status, 200);
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route_prefixes_with_tls() {
    let harness = ProcessHarness::with_defaults().await;
    let config = web_config("tls.good.yml");
    let url = "https://proxy.example/cxone/";
    // The flags, the prefix, a prefix without paths, and a link of the page.
    let table: [(&[&str], &str, &str, &str); 3] = [
        (&["--web.external-url", url], "/cxone", "", "/cxone/metrics"),
        // Behind a proxy that removes the prefix.
        (&["--web.external-url", url, "--web.route-prefix", "/"], "", "/cxone", "/cxone/metrics"),
        (&["--web.route-prefix", "/deep/er"], "/deep/er", "/deep", "/deep/er/metrics"),
    ];
    for (flags, prefix, nowhere, link) in table {
        let exporter = harness.start(&[flags, &["--web.config.file", &config]].concat());
        let get = |prefix: &str, path: &str| https(exporter.address, &format!("{prefix}{path}"));
        for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/sd", "/config"] {
            assert_eq!(get(prefix, path).status, 200, "{flags:?} {path}");
        }
        for path in ["/metrics", "/-/healthy", "/config"] {
            assert_eq!(get(nowhere, path).status, 404, "{flags:?} {nowhere}{path}");
        }
        let page = get(prefix, "/").body;
        assert!(page.contains(&format!("href=\"{link}\"")), "{flags:?}: {page}");
    }
    harness.simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_uses_the_variables_of_the_server() {
    let harness = ProcessHarness::with_defaults().await;
    let unused = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = web_config("tls.good.yml");
    let variables = [
        ("CXONE_WEB_LISTEN_ADDRESS", unused.as_str()),
        ("CXONE_WEB_ROUTE_PREFIX", "/cxone"),
        ("CXONE_WEB_CONFIG_FILE", config.as_str()),
    ];
    let file = harness.config();
    let of_tenant = ["--config.file", file.to_str().unwrap()];
    let exporter = Exporter::start(&of_tenant, harness.folder.path(), &variables);
    assert_eq!(exporter.address.to_string(), unused);
    assert_eq!(https(exporter.address, "/cxone/-/healthy").status, 200);
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cxone-exporter"));
        let output = command.env_clear().envs(variables.iter().copied()).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(run(&["healthcheck"], &variables), (Some(0), String::new()));
    let (code, message) = run(&["healthcheck"], &variables[..1]);
    assert!(code == Some(1) && message.contains("answered 404"), "{message}");
    let (code, text) = run(&[&["check"], &of_tenant[..]].concat(), &variables);
    assert!(code == Some(0) && !text.contains("is not a variable"), "{text}");
    harness.simulator.shutdown().await;
}
