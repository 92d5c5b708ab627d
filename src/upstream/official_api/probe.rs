//! A look at how things stand: getting in, and one page of each list.

use super::OfficialSource;
use super::directory::PATH as AGENTS_PATH;
use super::error_hints;
use super::fetch::STATES_PATH;
use super::history_capabilities::is_capability_error;
use super::state_history::{PATH as HISTORY_PATH, history_url};
use super::wire::envelope::Page;
use super::wire::records::{AgentRecord, HistoryRecord, Record, StateRecord};
use crate::config::Login;
use crate::upstream::auth::Resource;
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{ProbeStep, Query, Verdict};

/// How much history is asked for: enough to have rows in, and too little for any tenant to refuse.
const RANGE: std::time::Duration = std::time::Duration::from_secs(3600);

/// What is looked at, in this order. Each takes those before it for granted.
const STEPS: [&str; 5] = ["login", "address", "agents", "states", "history"];

impl OfficialSource {
    /// Asks for a token, where the API is, and one page of each list.
    pub(super) async fn run_probe(&self, query: Query) -> Vec<ProbeStep> {
        let context = FetchContext::new(query.deadline);
        let mut steps = Vec::with_capacity(STEPS.len());
        let looked = tokio::select! {
            biased;
            looked = self.run_steps(&query, &context, &mut steps) => looked,
            () = self.clock.sleep_until(query.deadline) => Err(self.timed_out()),
        };
        if let Err(failure) = looked {
            let failed = STEPS.get(steps.len()).copied().unwrap_or("history");
            let error = Some(failure.error.kind);
            steps.push(ProbeStep { error, ..ProbeStep::new(failed, Verdict::Failed, failure.error.message) });
        }
        let missing = STEPS.iter().skip(steps.len());
        steps.extend(missing.map(|label| ProbeStep::new(label, Verdict::NotReached, "not reached".to_owned())));
        steps
    }

    async fn run_steps(
        &self,
        query: &Query,
        context: &FetchContext,
        steps: &mut Vec<ProbeStep>,
    ) -> Result<(), Failure> {
        self.session.tokens.get(&self.session.client, context).await?;
        let until = self.session.tokens.expiry().map(|expiry| format!(", good until {}", expiry.whole_second()));
        let way = match &self.official.login {
            Login::Issuer { .. } => "the issuer's password grant took the OAuth client and the access key",
            Login::AccessKey { .. } => "the area's host took the access key",
        };
        steps.push(ProbeStep::new("login", Verdict::Right, format!("{way}{}", until.unwrap_or_default())));

        let url = self.url("", context).await?;
        let found = if self.official.api_endpoint.is_some() { "set by hand to" } else { "found at" };
        let host = url.host_str().unwrap_or_default();
        steps.push(ProbeStep::new(
            "address",
            Verdict::Right,
            format!("the API is {found} {host}, {}", self.official.api_version),
        ));

        if self.tenant.agent_filter.is_none() {
            let agents: Page<AgentRecord> = self.page(&error_hints::AGENTS, AGENTS_PATH, context).await?;
            steps.push(ProbeStep::new(
                "agents",
                Verdict::Right,
                format!("the list of agents can be read: {}", rows(&agents)),
            ));
        } else {
            // The agents of the query come from the list.
            steps.push(ProbeStep::new("agents", Verdict::Right, "the list of agents was read".to_owned()));
        }

        let states: Page<StateRecord> = self.page(&error_hints::STATES, STATES_PATH, context).await?;
        let present: Vec<&str> = states.rows.iter().filter_map(|row| row.agent_id.as_deref()).collect();
        let missing = query.agents.iter().filter(|agent| !present.contains(&&*agent.id)).count();
        let all = rows(&states);
        let more = states.total.is_some_and(|total| total > present.len() as u64);
        steps.push(if missing > 0 && !more {
            let text = format!(
                "current states can be read: {all}; {missing} of the {} configured agents are not among them: compare \
                their ids with CXone",
                query.agents.len()
            );
            ProbeStep::new("states", Verdict::Note, text)
        } else {
            ProbeStep::new("states", Verdict::Right, format!("current states can be read: {all}"))
        });

        let mut url = self.url(HISTORY_PATH, context).await?;
        url.query_pairs_mut()
            .append_pair("startDate", &query.window.end.saturating_sub(RANGE).to_string())
            .append_pair("endDate", &query.window.end.to_string());
        let (verdict, text) = match self.read_first_page::<HistoryRecord>(&error_hints::HISTORY, &url, context).await {
            Ok(page) => (
                Verdict::Right,
                format!("the history of all agents can be read at once: {} in the last hour", rows(&page)),
            ),
            Err(failure) if is_capability_error(&failure) && !query.agents.is_empty() => {
                let agent = query.agents.first().map(|agent| &agent.id);
                let url = history_url(&url, agent);
                let page = self.read_first_page::<HistoryRecord>(&error_hints::HISTORY, &url, context).await?;
                let text = format!(
                    "the history can be read agent by agent only ({} in the last hour for one), so each refresh takes a \
                    request an agent: {}",
                    rows(&page),
                    failure.error.message
                );
                (Verdict::Note, text)
            }
            Err(failure) => return Err(failure),
        };
        steps.push(ProbeStep::new("history", verdict, text));
        Ok(())
    }

    async fn page<T: Record>(
        &self,
        resource: &'static Resource,
        path: &str,
        context: &FetchContext,
    ) -> Result<Page<T>, Failure> {
        let url = self.url(path, context).await?;
        self.read_first_page(resource, &url, context).await
    }
}

/// How many rows a page has, and how many there are.
fn rows<T>(page: &Page<T>) -> String {
    let found = page.found;
    let plural = if found == 1 { "row" } else { "rows" };
    match page.total.filter(|total| *total > found) {
        Some(total) => format!("{found} {plural} of {total}"),
        None => format!("{found} {plural}"),
    }
}
