//! The proxy of the environment. Each case is a process of its own: this binary, which runs only [`as_a_child`].

use std::process::Command;

use super::*;

/// Precedes the error message in the output of [`as_a_child`].
const MARK: &str = "the refresh failed: ";

/// The `base_url` of the child process.
const BASE_URL: &str = "CXONE_TEST_BASE_URL";

#[tokio::test]
#[ignore = "a part of the tests below, which set its environment"]
async fn as_a_child() {
    let Ok(base_url) = std::env::var(BASE_URL) else { return };
    let clock = clock();
    let harness = SourceHarness::new(&clock, &base_url, |_| ());
    println!("{MARK}{}", harness.fetch().await.error.unwrap());
}

/// The error of a child process with `environment`.
async fn error_of_child(base_url: &str, environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "upstream::proxy::as_a_child", "--ignored", "--nocapture"]);
    child.env(BASE_URL, base_url);
    for name in
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        child.env_remove(name);
    }
    child.envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    stdout.split_once(MARK).expect(&stdout).1.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn errors_name_the_status_of_a_refusing_proxy() {
    for status in [201, 403, 407, 502] {
        let proxy = ScriptedServer::start_raw(&clock(), move |_| Response::status(status)).await;
        let error = error_of_child("https://acme.test", &[("HTTPS_PROXY", &proxy.base_url())]).await;
        let message = format!("The proxy of HTTPS_PROXY refused a connection to acme.test ({status}): ");
        assert!(error.starts_with(&message), "{error}");
        let requests = proxy.requests();
        // Only the status of 407 is known without a second request.
        assert_eq!(requests.len(), if status == 407 { 3 } else { 6 });
        assert!(requests.iter().all(|request| request.method == "CONNECT" && request.target == "acme.test:443"));
        assert!(!format!("{requests:?}").contains("s3cr3t"));
    }
}

#[tokio::test]
async fn errors_name_an_unreachable_proxy() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = error_of_child("https://acme.test", &[("HTTPS_PROXY", &format!("http://{unused}"))]).await;
    assert!(error.starts_with("No connection to acme.test (") && error.contains("HTTPS_PROXY"), "{error}");
}

#[tokio::test]
async fn loopback_and_no_proxy_hosts_bypass_the_proxy() {
    let proxy = ScriptedServer::start_raw(&clock(), |_| panic!("the proxy was used")).await;
    let upstream = ScriptedServer::start_raw(&clock(), |_| Response::status(403)).await;
    let all = proxy.base_url();
    let error =
        error_of_child(&upstream.base_url(), &[("HTTPS_PROXY", &all), ("ALL_PROXY", &all), ("HTTP_PROXY", &all)]).await;
    assert!(error.contains("(403)"), "{error}");

    // The label is too long for any name, so the attempt to resolve it stays on this machine.
    let host = format!("{}.test", "a".repeat(70));
    let error = error_of_child(&format!("http://{host}"), &[("HTTP_PROXY", &all), ("NO_PROXY", ".test")]).await;
    assert!(error.starts_with(&format!("The name {host} could not be resolved")), "{error}");
    assert!(proxy.requests().is_empty());
}
