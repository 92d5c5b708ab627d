//! The simulated tenant over HTTP, one connection per request.

mod access;
mod control;
mod faults;
mod pages;
mod variants;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use cxone_exporter::clock::DrivenClock;
use cxone_exporter::presence::{Micros, StateName, Timestamp, Window};
use cxone_exporter::simulator::{CLIENT_ID, CLIENT_SECRET, Simulator, SimulatorOptions};
use serde_json::Value;
use tokio::net::TcpListener;

/// Wednesday 2026-03-11T15:17:31.250001Z.
const NOW: Timestamp = Timestamp::from_micros(1_773_242_251_250_001);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Longer than any answer takes.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A tenant on a driven clock.
struct Harness {
    simulator: Simulator,
    clock: DrivenClock,
}

/// An HTTP response.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// Whether the body has the announced length.
    complete: bool,
}

/// Microseconds in each state.
type Sums = BTreeMap<String, u64>;

// === impl Harness ===

impl Harness {
    async fn start(options: SimulatorOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clock = DrivenClock::new(NOW);
        let simulator = Simulator::start(options, listener, Arc::new(clock.clone())).unwrap();
        Self { simulator, clock }
    }

    async fn send(&self, request: String) -> Option<Reply> {
        let address = self.simulator.address();
        let bytes = tokio::task::spawn_blocking(move || exchange(address, &request)).await.unwrap();
        Reply::parse(&bytes)
    }

    async fn call(&self, method: &str, target: &str, headers: &str, body: &str) -> Option<Reply> {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: tenant\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.send(request).await
    }

    async fn post_token(&self, form: &str) -> Option<Reply> {
        self.call("POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n", form).await
    }

    async fn token(&self) -> String {
        let form = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        let reply = self.post_token(&form).await.unwrap();
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn get(&self, token: &str, query: &str) -> Option<Reply> {
        let target = format!("/api/v2/reporting/agent-presence?{query}");
        self.call("GET", &target, &format!("Authorization: Bearer {token}\r\n"), "").await
    }

    fn ids(&self, count: usize) -> Vec<String> {
        self.simulator.workforce().agents().iter().take(count).map(|agent| agent.id.to_string()).collect()
    }

    fn query(&self, agents: usize, window: Window, interval: &str) -> String {
        let ids = self.ids(agents).join(",");
        format!("agentIds={ids}&startTime={}&endTime={}&interval={interval}", window.start, window.end)
    }

    /// All rows of all pages, page by page.
    async fn pages(&self, query: &str) -> Vec<Vec<Value>> {
        let token = self.token().await;
        let (mut pages, mut target) = (Vec::new(), query.to_owned());
        loop {
            let mut page = self.get(&token, &target).await.unwrap().json();
            pages.push(page["data"].as_array_mut().map(std::mem::take).unwrap_or_default());
            let Some(next) = page["nextPageToken"].as_str() else { return pages };
            assert!(pages.len() < 1_000, "too many pages");
            target = format!("{query}&nextPageToken={next}");
        }
    }
}

// === impl Reply ===

impl Reply {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        let complete = headers.get("content-length").is_none_or(|length| *length == body.len().to_string());
        Some(Self { status, headers, body, complete })
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn rows(&self) -> Vec<Value> {
        self.json()["data"].as_array().unwrap().clone()
    }
}

/// Sends `request` and reads until the connection is closed.
fn exchange(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn last(length: Duration) -> Window {
    Window::ending_at(NOW, length)
}

fn micros(value: &Value) -> u64 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    whole.parse::<u64>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

fn time(row: &Value, name: &str) -> i64 {
    DateTime::parse_from_rfc3339(row[name].as_str().unwrap()).unwrap().timestamp_micros()
}

/// Sums rows; a bucket that starts before the window is prorated.
fn read(rows: &[Value], agent: &str, window: Window) -> Sums {
    let mut sums = Sums::new();
    for row in rows.iter().filter(|row| row["agentId"] == agent) {
        let (start, end) = (time(row, "startTime"), time(row, "endTime"));
        let outside = u128::try_from((window.start.micros() - start).max(0)).unwrap();
        let length = u128::try_from(end - start).unwrap();
        for state in row["states"].as_array().unwrap() {
            let inside = u128::from(micros(&state["duration"])) * (length - outside) / length;
            *sums.entry(state["state"].as_str().unwrap().to_owned()).or_default() += u64::try_from(inside).unwrap();
        }
    }
    sums
}

fn plain(times: BTreeMap<StateName, Micros>) -> Sums {
    times.into_iter().map(|(state, time)| (state.to_string(), time.get())).collect()
}
