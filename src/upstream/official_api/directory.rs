//! The tenant's own list of people: `/agents`.

use std::sync::Arc;

use super::OfficialSource;
use super::error_hints;
use super::wire::records::AgentRecord;
use crate::clock::Monotonic;
use crate::presence::{Person, cut_text};
use crate::upstream::failure::Failure;
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, UpstreamError};

/// Where the list is.
pub(super) const PATH: &str = "/agents";

impl OfficialSource {
    pub(super) async fn read_directory(&self, deadline: Monotonic) -> Result<Vec<Person>, UpstreamError> {
        // A list that is believed is used for hours.
        let context = FetchContext::new(deadline).refusing_short_lists();
        let read = self.read_people(&context);
        tokio::select! {
            biased;
            people = read => people.map_err(|failure| failure.error),
            () = self.clock.sleep_until(deadline) => Err(self.timed_out().error),
        }
    }

    async fn read_people(&self, context: &FetchContext) -> Result<Vec<Person>, Failure> {
        let url = self.url(PATH, context).await?;
        let mut people = Vec::new();
        let reading = self.read_list(&error_hints::AGENTS, &url, None, context, |rows| {
            people.extend(rows.into_iter().filter_map(person));
        });
        self.session.client.observe_rejections(&reading.await?);
        // Pages may overlap while the list changes.
        people.sort_by(|one: &Person, next: &Person| one.id.cmp(&next.id));
        people.dedup_by(|later, earlier| later.id == earlier.id);
        if people.is_empty() {
            // The access key is that of an agent, so there is one at least.
            let message = "The list of agents is empty: CXone failed, or the access key may not see any agent.";
            return Err(Failure::new(Endpoint::Agents, ErrorKind::Decode, message));
        }
        Ok(people)
    }
}

/// The agent of a row; `None` where it has no id.
fn person(row: AgentRecord) -> Option<Person> {
    let AgentRecord { agent_id, first_name, last_name, is_active, team_name } = row;
    let names: Vec<String> = [first_name, last_name].into_iter().flatten().collect();
    Some(Person {
        id: Arc::from(agent_id?),
        name: Some(cut_text(&names.join(" ")).to_owned()).filter(|name| !name.is_empty()),
        team: team_name.map(|team| cut_text(&team).to_owned()),
        // A version whose answer has no such field lists only active agents.
        active: is_active.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_teams_are_cut_at_256_bytes() {
        let row = AgentRecord {
            agent_id: Some("1".into()),
            first_name: Some("é".repeat(200)),
            last_name: Some("x".into()),
            is_active: None,
            team_name: Some("t".repeat(300)),
        };
        let person = person(row).unwrap();
        assert_eq!((person.name, person.team), (Some("é".repeat(128)), Some("t".repeat(256))));
    }
}
