//! Answers of some kilobytes that decompress to the limit of a body: the memory that each shape takes, with either API.

use cxone_exporter::config::{Api, ClientAuth, Login, Official};
use cxone_exporter::presence::{WatchedAgent, Window};
use cxone_exporter::upstream::Query;
use cxone_exporter::upstream::official_api::OfficialSource;

use super::*;
use crate::scripted::drive;

/// The most memory of a process that reads such an answer, in mebibytes: the answer, its rows, and a test process.
const MAX_MEBIBYTES: u64 = 128;

/// Set in the process that is measured.
const CHILD: &str = "CXONE_TEST_GZIP_BOMBS";

/// An answer: `head`, 31 MiB of `unit`, `tail`.
struct Bomb {
    name: &'static str,
    /// How the path of the requests ends that get it.
    path: &'static str,
    head: &'static str,
    unit: &'static [u8],
    tail: &'static str,
}

const fn bomb(
    name: &'static str,
    path: &'static str,
    head: &'static str,
    unit: &'static [u8],
    tail: &'static str,
) -> Bomb {
    Bomb { name, path, head, unit, tail }
}

const REPORT: &str = "agent-presence";
const TOKEN: &str = "/token";
const DISCOVERY: &str = "/openid-configuration";
const AGENTS: &str = "/agents";
const STATES: &str = "/agents/states";
const HISTORY: &str = "/agents/state-history";
const CODES: &str = "/unavailable-codes";

const PRESENCE_BOMBS: [Bomb; 10] = [
    bomb("empty records", REPORT, r#"{"data":[{}"#, b",{}", "]}"),
    bomb("records without states", REPORT, r#"{"data":[{}"#, br#",{"states":[]}"#, "]}"),
    bomb("empty states", REPORT, r#"{"data":[{"states":[{}"#, b",{}", "]}]}"),
    bomb("a long page token", REPORT, r#"{"nextPageToken":""#, b"x", r#""}"#),
    bomb("a long name", REPORT, r#"{"data":[{"states":[{"state":""#, b"x", r#""}]}]}"#),
    bomb("escapes", REPORT, r#"{"data":[{"states":[{"state":""#, br"\u00e9", r#""}]}]}"#),
    bomb("half surrogate pairs", REPORT, r#"{"data":[{"states":[{"state":""#, br"\ud83d", r#""}]}]}"#),
    bomb("bytes that are not UTF-8", REPORT, r#"{"data":[{"states":[{"state":""#, b"\xff", r#""}]}]}"#),
    bomb("brackets", REPORT, "", b"[", ""),
    bomb("keys", REPORT, r#"{"a":0"#, br#","a":0"#, "}"),
];

/// A row of a wanted agent.
const ROW: &[u8] =
    br#",{"agentId":"1000000000000000000","startDate":"2023-11-14T21:30:00Z","agentStateName":"a","outStateId":"b"}"#;

/// An agent with names of the greatest length.
const PERSON: &[u8] = br#",{"agentId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","firstName":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","teamName":"ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"}"#;

const OFFICIAL_BOMBS: [Bomb; 15] = [
    bomb("a long token", TOKEN, r#"{"access_token":""#, b"x", r#""}"#),
    bomb("a long address", DISCOVERY, r#"{"token_endpoint":""#, b"x", r#""}"#),
    bomb("empty rows", STATES, r#"{"agentStates":[{}"#, b",{}", "]}"),
    bomb("rows of an agent", STATES, r#"{"agentStates":[{}"#, ROW, "]}"),
    bomb("lists in each other", STATES, "", b"[", ""),
    bomb("objects in each other", STATES, "", br#"{"resultSet":"#, ""),
    bomb("an error that is a list", STATES, r#"{"error":[{}"#, b",{}", "]}"),
    bomb("an error that is long", STATES, r#"{"error":""#, br"\n", r#""}"#),
    bomb("numbers", HISTORY, r#"{"agentStateHistory":[0"#, b",0", "]}"),
    bomb("a row of escapes", HISTORY, r#"{"agentStateHistory":[{"agentId":""#, br"\u00e9", r#""}]}"#),
    bomb("a row of half surrogate pairs", HISTORY, r#"{"agentStateHistory":[{"agentId":""#, br"\ud83d", r#""}]}"#),
    bomb("bytes that are not UTF-8", HISTORY, r#"{"agentStateHistory":[{"agentId":""#, b"\xff", r#""}]}"#),
    bomb("a long link", AGENTS, r#"{"agents":[],"_links":{"next":"?"#, b"x", r#""}}"#),
    bomb("pages of people", AGENTS, r#"{"totalRecords":1000000000,"agents":[{}"#, PERSON, "]}"),
    bomb("codes", CODES, r#"{"unavailableCodes":[{}"#, br#",{"id":1,"name":"aaaaaaaaaaaaaaaaaaaaaaa"}"#, "]}"),
];

impl Bomb {
    fn response(&self) -> Response {
        // Members are decompressed one after the other, so that one compressed mebibyte is enough.
        let mebibyte = self.unit.repeat(1024 * 1024 / self.unit.len());
        let [head, mebibyte, tail] =
            [self.head.as_bytes(), &mebibyte, self.tail.as_bytes()].map(|part| Response::json(part).gzip().into_body());
        let compressed = [head, mebibyte.repeat(31), tail].concat();
        assert!(compressed.len() < 1024 * 1024, "{}: {}", self.name, compressed.len());
        Response::json(compressed).header("Content-Encoding", "gzip")
    }
}

/// Reads pages of two agents at once.
async fn read_presence(response: Response) {
    let clock = clock();
    let upstream = ScriptedServer::start(&clock, move |_| response.clone()).await;
    let harness = SourceHarness::new(&clock, &upstream.base_url(), |tenant| {
        tenant.agents = agents(2);
        tenant.limits.max_concurrent_requests = 2;
    });
    harness.fetch().await;
}

/// Reads the list of agents and their presence in an hour, which is not divided further.
async fn read_official(path: &'static str, response: Response) {
    let clock = clock();
    let upstream = ScriptedServer::start_raw(&clock, move |request| match request.path() {
        asked if asked.ends_with(path) => response.clone(),
        asked if asked.ends_with(TOKEN) => Response::token("token-1", "3600"),
        asked if asked.ends_with(STATES) => Response::json(
            r#"{"agentStates":[{"agentId":"1000000000000000000","agentStateName":"Unavailable","outStateId":7}]}"#,
        ),
        _ => Response::json("{}"),
    })
    .await;
    let base: url::Url = upstream.base_url().parse().unwrap();
    let mut official = Official::by_access_key(base.join("/token").unwrap(), "key-id", "key-secret");
    official.history_lookback = Duration::ZERO;
    if path == DISCOVERY {
        official.login = Login::Issuer { client_auth: ClientAuth::Basic };
    } else {
        official.api_endpoint = Some(base);
    }
    let mut tenant = tenant(&upstream.base_url());
    (tenant.api, tenant.official) = (Api::Official, Some(official.clone()));
    let tenant = Arc::new(tenant);
    let observer = Arc::new(RecordingObserver::default());
    let source = OfficialSource::new(Arc::clone(&tenant), official, Arc::new(clock.clone()), observer).unwrap();
    let deadline = clock.monotonic() + REFRESH_TIMEOUT;
    if path == AGENTS {
        drop(drive(&clock, deadline, source.directory(deadline).unwrap()).await);
    } else {
        let agents = tenant.agents.iter().map(|agent| WatchedAgent { id: agent.id.clone(), schedule: None });
        let window = Window::ending_at(clock.now().whole_second(), Duration::from_secs(3600));
        let query = Query { window, agents: agents.collect(), deadline };
        drive(&clock, deadline, source.fetch(query)).await;
    }
}

/// The peak of resident memory since `reset_peak`, in mebibytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn reset_peak() {
    // proc(5): 5 resets the peak. Without it, the peak of earlier shapes counts too.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[tokio::test]
#[ignore = "a process that the tests below measure"]
async fn measured_process() {
    let Ok(api) = std::env::var(CHILD) else { return };
    let bombs = if api == "official" { &OFFICIAL_BOMBS[..] } else { &PRESENCE_BOMBS[..] };
    let mut over = Vec::new();
    for bomb in bombs {
        let response = bomb.response();
        reset_peak();
        match &*api {
            "official" => read_official(bomb.path, response).await,
            _ => read_presence(response).await,
        }
        let peak = peak();
        println!("{} {}: {peak} MiB", bomb.path, bomb.name);
        if peak > MAX_MEBIBYTES {
            over.push(bomb.name);
        }
    }
    assert!(over.is_empty(), "over {MAX_MEBIBYTES} MiB: {over:?}");
}

async fn assert_peaks(api: &str) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "upstream::gzip_bombs::measured_process", "--ignored", "--nocapture"]).env(CHILD, api);
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{stdout}");
    assert!(output.status.success(), "{stdout}{stderr}");
}

#[tokio::test]
async fn presence_gzip_bombs_stay_below_128_mebibytes() {
    assert_peaks("presence").await;
}

#[tokio::test]
async fn official_gzip_bombs_stay_below_128_mebibytes() {
    assert_peaks("official").await;
}
