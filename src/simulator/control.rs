//! Endpoints that control the simulator. The real API does not have them.
//!
//! | request | effect |
//! | --- | --- |
//! | `GET /-/control/faults` | lists the pending faults, one per line |
//! | `POST /-/control/faults` | adds the faults in the body, one per line, in the syntax of `--fault` |
//! | `DELETE /-/control/faults` | clears them |
//! | `POST /-/control/revoke` | revokes all access tokens |
//! | `GET /-/control/requests` | counts of requests, rows and bytes, as JSON |
//! | `DELETE /-/control/requests` | resets the counts |
//! | `GET /-/control/agents` | the agents, as JSON |
//! | `GET /-/control/truth?start=…&end=…&agent=…` | exact seconds per agent and state, as JSON; `agent` is optional |
//! | the same with `&api=official` | the same, in states of the official API |

use std::collections::{BTreeMap, HashMap};

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::api::agent_presence::moment;
use super::api::official::state_periods;
use super::api::{Answer, Refusal};
use super::faults::Rule;
use super::tenant::Tenant;
use super::workforce::Agent;
use crate::presence::Window;

/// Prefix of all control paths.
pub(super) const PREFIX: &str = "/-/control/";

/// Answers a request; `path` is the part after [`PREFIX`].
pub(super) fn answer(tenant: &Tenant, method: &Method, path: &str, query: &str, body: &[u8]) -> Answer {
    match (path, method.as_str()) {
        ("faults", "GET") => plain(tenant.faults.pending().iter().map(|rule| format!("{rule}\n")).collect()),
        ("faults", "POST") => match rules(body) {
            Ok(rules) => {
                rules.into_iter().for_each(|rule| tenant.faults.push(rule));
                done()
            }
            Err(reason) => Answer::refusal(StatusCode::BAD_REQUEST, "invalid_fault", &reason),
        },
        ("faults", "DELETE") => {
            tenant.faults.clear();
            done()
        }
        ("revoke", "POST") => {
            tenant.tokens.revoke_all();
            done()
        }
        ("requests", "GET") => {
            let counts = tenant.log.counts();
            let (token, presence, official) = (counts.token, counts.presence, counts.official);
            serialised(
                &json!({ "token": token, "presence": presence, "official": official, "rows": counts.rows, "bytes": counts.bytes }),
            )
        }
        ("requests", "DELETE") => {
            tenant.log.forget();
            done()
        }
        ("agents", "GET") => {
            let agents = tenant.workforce.agents().iter();
            let agents = agents.map(|agent| json!({ "id": &*agent.id, "name": agent.name, "team": agent.team }));
            serialised(&agents.collect())
        }
        ("truth", "GET") => truth(tenant, query).unwrap_or_else(|refusal| *refusal),
        ("faults", _) => not_allowed("DELETE, GET, POST"),
        ("requests", _) => not_allowed("DELETE, GET"),
        ("revoke", _) => not_allowed("POST"),
        ("agents" | "truth", _) => not_allowed("GET"),
        _ => Answer::refusal(StatusCode::NOT_FOUND, "not_found", "there is no such control"),
    }
}

fn truth(tenant: &Tenant, query: &str) -> Result<Answer, Refusal> {
    let fields: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let time = |name: &str| moment(fields.get(name).map_or("", AsRef::as_ref));
    let window = Window { start: time("start")?, end: time("end")? };
    let seconds = |agent: &Agent| {
        let states = match fields.get("api").map(AsRef::as_ref) {
            Some("official") => state_periods::truth(&tenant.timeline, agent, window, true, tenant.acw()),
            _ => tenant.timeline.seconds(agent, window),
        };
        states.into_iter().map(|(state, time)| (state.to_string(), time.seconds_f64())).collect::<BTreeMap<_, _>>()
    };
    let asked = fields.get("agent");
    let agents = tenant.workforce.agents().iter().filter(|agent| asked.is_none_or(|id| *id == *agent.id));
    let agents: BTreeMap<_, _> = agents.map(|agent| (agent.id.to_string(), seconds(agent))).collect();
    Ok(serialised(&json!({ "start": window.start.to_string(), "end": window.end.to_string(), "agents": agents })))
}

fn rules(body: &[u8]) -> Result<Vec<Rule>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the faults are not UTF-8".to_owned())?;
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect()
}

fn serialised(value: &Value) -> Answer {
    Answer::json(value.to_string().into_bytes())
}

fn plain(text: String) -> Answer {
    Answer::json(text.into_bytes()).with(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))
}

fn done() -> Answer {
    Answer { status: StatusCode::NO_CONTENT, ..Answer::json(Vec::new()) }
}

fn not_allowed(methods: &'static str) -> Answer {
    Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &format!("only {methods} is allowed here"))
        .with(ALLOW, HeaderValue::from_static(methods))
}
