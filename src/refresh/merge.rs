//! Makes a snapshot from an older one, after a refresh or a reload. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::counters::ReadParts;
use super::snapshot::{AgentData, AgentRow, Moment, Snapshot};
use crate::config::{Agent, QueryKey, ServerKey, Tenant};
use crate::presence::{AgentId, AgentPresence, Window};

/// Whether data read for `old` also answers `new`.
pub(super) fn same_query(old: &Tenant, new: &Tenant) -> bool {
    std::ptr::eq(old, new) || QueryKey::of(old) == QueryKey::of(new)
}

/// Whether both ask the same server by the same API, so that waits hold for both.
pub(super) fn same_server(old: &Tenant, new: &Tenant) -> bool {
    ServerKey::of(old) == ServerKey::of(new)
}

/// The data of `old` for the agents of `tenant`, empty where `tenant` asks for something else. An agent whose schedule has
/// changed loses only the scheduled time.
pub(super) fn carry_over(old: &Snapshot, tenant: &Arc<Tenant>) -> Snapshot {
    if Arc::ptr_eq(&old.tenant, tenant) {
        return old.clone();
    }
    let counters = old.counters.carried_over(&old.tenant, tenant);
    if !same_query(&old.tenant, tenant) {
        return Snapshot { counters, ..Snapshot::empty(Arc::clone(tenant)) };
    }
    let known: HashMap<&AgentId, (&Agent, &AgentRow)> =
        old.tenant.agents.iter().zip(&old.rows).map(|(agent, row)| (&agent.id, (agent, row))).collect();
    let row = |agent: &Agent| {
        let Some((before, row)) = known.get(&agent.id) else { return AgentRow::default() };
        if before.schedule == agent.schedule {
            (*row).clone()
        } else {
            AgentRow { data: row.data.as_deref().map(without_schedule) }
        }
    };
    Snapshot { rows: tenant.agents.iter().map(row).collect(), tenant: Arc::clone(tenant), counters }
}

/// `data` without scheduled time.
fn without_schedule(data: &AgentData) -> Arc<AgentData> {
    let mut data = data.clone();
    if let Some(presence) = &mut data.presence {
        presence.scheduled = None;
    }
    Arc::new(data)
}

/// A snapshot of what a refresh read, and nothing else.
pub(super) fn from_fetch(
    tenant: &Arc<Tenant>,
    answered: Vec<(AgentId, Option<AgentPresence>)>,
    window: Window,
    now: Moment,
) -> Snapshot {
    let mut snapshot = Snapshot::empty(Arc::clone(tenant));
    // Only positions are looked up; a map of the answers would hold all of them a second time.
    let positions: HashMap<&AgentId, usize> = tenant.agents.iter().map(|agent| &agent.id).zip(0..).collect();
    for (agent, presence) in answered {
        if let Some(row) = positions.get(&agent).and_then(|position| snapshot.rows.get_mut(*position)) {
            row.data = Some(Arc::new(AgentData { presence, window, read_at: now }));
        }
    }
    snapshot
}

/// The rows of `new` where it has data, else those of `old`, whose counters count it by its parts. Both have the same agents.
pub(super) fn merge(old: &Snapshot, new: Snapshot, parts: &ReadParts) -> Snapshot {
    let counters = Arc::new(old.counters.after(&new, parts));
    let rows = old.rows.iter().zip(new.rows).map(|(old, new)| if new.data.is_some() { new } else { old.clone() });
    Snapshot { rows: rows.collect(), tenant: new.tenant, counters }
}

/// Whether `asked` has every agent of `tenant`.
pub(super) fn covers(asked: &Arc<Tenant>, tenant: &Arc<Tenant>) -> bool {
    if Arc::ptr_eq(asked, tenant) {
        return true;
    }
    let asked: HashSet<&AgentId> = asked.agents.iter().map(|agent| &agent.id).collect();
    tenant.agents.iter().all(|agent| asked.contains(&agent.id))
}

/// The agents of `retry_agents` that `tenant` still has, and its agents that were not configured `before`. `None`, which asks
/// for all agents, where there are none.
pub(super) fn still_to_retry(retry_agents: &[AgentId], before: &Tenant, tenant: &Tenant) -> Option<Vec<AgentId>> {
    let retry_agents: HashSet<&AgentId> = retry_agents.iter().collect();
    let before: HashSet<&AgentId> = before.agents.iter().map(|agent| &agent.id).collect();
    let ids = tenant.agents.iter().map(|agent| &agent.id);
    let wanted: Vec<AgentId> = ids.filter(|id| retry_agents.contains(id) || !before.contains(id)).cloned().collect();
    (!wanted.is_empty()).then_some(wanted)
}
