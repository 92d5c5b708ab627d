//! A list of agents that suddenly is empty or half as long is not used until the next reading confirms it.

use super::*;
use crate::config::AgentFilter;

const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A list of `agents`, the first of which are in team A.
fn list(agents: usize, of_team: usize) -> Vec<Person> {
    let person = |nth: usize| Person {
        id: nth.to_string().into(),
        name: None,
        team: (nth < of_team).then(|| "A".to_owned()),
        active: true,
    };
    (0..agents).map(person).collect()
}

fn all_of(teams: &[&str]) -> Tenant {
    let teams = teams.iter().map(ToString::to_string).collect();
    Tenant { agent_filter: Some(AgentFilter { teams, ..AgentFilter::default() }), ..tenant_of_all() }
}

async fn harness(teams: &[&str], agents: usize) -> Harness {
    let harness = Harness::of(all_of(teams), &[]);
    harness.read(Duration::ZERO, list(agents, agents)).await;
    harness
}

impl Harness {
    /// A refresh after `wait`, with this list. The agents in use, and those of an unconfirmed list.
    async fn read(&self, wait: Duration, list: Vec<Person>) -> (usize, Option<usize>) {
        *self.source.people.lock().unwrap() = Some(list);
        self.clock.advance(wait);
        let scrape = self.scrape().await;
        let status = &scrape.published.status;
        assert!(status.up, "the last good list is used");
        assert_eq!(status.agents_listed.is_some(), status.agents_selected.is_some());
        (self.refresher.tenant().agents.len(), status.agents_unconfirmed)
    }
}

#[tokio::test]
async fn halved_agent_list_is_used_once_confirmed() {
    // The readings after one of twenty agents, each with the agents in use and those not confirmed.
    type Reading = (usize, usize, Option<usize>);
    let table: [&[Reading]; 7] = [
        &[(11, 11, None)],
        &[(10, 20, Some(10)), (10, 10, None)],
        &[(4, 20, Some(4)), (5, 5, None)],
        &[(4, 20, Some(4)), (20, 20, None), (4, 20, Some(4))],
        &[(0, 20, Some(0)), (0, 0, None)],
        &[(0, 20, Some(0)), (4, 20, Some(4)), (4, 4, None)],
        &[(8, 20, Some(8)), (4, 20, Some(4)), (0, 20, Some(0)), (19, 19, None)],
    ];
    for readings in table {
        let harness = harness(&[], 20).await;
        for (nth, (agents, used, unconfirmed)) in readings.iter().enumerate() {
            let read = harness.read(SIX_HOURS, list(*agents, 0)).await;
            assert_eq!(read, (*used, *unconfirmed), "reading {nth} of {readings:?}");
        }
    }
}

#[tokio::test]
async fn halved_agent_list_is_read_again_after_ten_minutes() {
    let harness = harness(&[], 20).await;
    let reads = || harness.source.directory_reads.load(Ordering::Relaxed);
    assert_eq!(harness.read(SIX_HOURS, list(4, 0)).await, (20, Some(4)));
    assert_eq!(reads(), 2);
    assert_eq!(harness.read(TEN_MINUTES - Duration::from_secs(1), list(4, 0)).await, (20, Some(4)));
    assert_eq!(reads(), 2);
    // A failed read between the two confirms nothing.
    harness.source.directory_fails.store(true, Ordering::Relaxed);
    assert_eq!(harness.read(Duration::from_secs(60), list(4, 0)).await, (20, Some(4)));
    harness.source.directory_fails.store(false, Ordering::Relaxed);
    assert_eq!(harness.read(TEN_MINUTES, list(4, 0)).await, (4, None));
    assert_eq!(reads(), 4);
}

#[tokio::test]
async fn half_as_many_selected_agents_need_confirmation() {
    let harness = harness(&["A"], 20).await;
    assert_eq!(harness.read(SIX_HOURS, list(20, 3)).await, (20, Some(20)), "the list has lost the teams");
    assert_eq!(harness.read(SIX_HOURS, list(20, 3)).await, (3, None));
}

#[tokio::test]
async fn changed_agent_filter_is_no_loss_and_reloads_keep_the_doubt() {
    let harness = harness(&[], 20).await;
    let reload = |teams: &[&str]| harness.refresher.reconfigure(Arc::new(all_of(teams)), harness.source.clone());
    assert_eq!(harness.read(SIX_HOURS, list(20, 2)).await, (20, None));
    reload(&["A"]);
    assert_eq!(harness.refresher.tenant().agents.len(), 2);
    assert_eq!(harness.read(SIX_HOURS, list(19, 2)).await, (2, None));
    reload(&[]);
    assert_eq!(harness.read(SIX_HOURS, list(4, 2)).await, (19, Some(4)));
    reload(&["A"]);
    assert_eq!(harness.refresher.current().status.agents_unconfirmed, Some(4));
    assert_eq!(harness.read(SIX_HOURS, list(4, 2)).await, (2, None));
}
