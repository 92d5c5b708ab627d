//! How one snapshot follows another, after a refresh or a reload that changed the tenant's settings. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::snapshot::{AgentData, AgentRow, Moment, Snapshot};
use crate::config::{Agent, QueryKey, ServerKey, Tenant};
use crate::presence::{AgentId, AgentPresence, Window};

/// Whether what was answered for `old` is also an answer for `new`.
pub(super) fn asks_the_same(old: &Tenant, new: &Tenant) -> bool {
    QueryKey::of(old) == QueryKey::of(new)
}

/// Whether both ask the same server by the same API.
pub(super) fn asks_the_same_server(old: &Tenant, new: &Tenant) -> bool {
    ServerKey::of(old) == ServerKey::of(new)
}

/// What `old` knows, for the agents of `tenant`. An agent whose schedule has changed keeps what does not depend on it.
pub(super) fn inherit(old: &Snapshot, tenant: &Arc<Tenant>) -> Snapshot {
    if Arc::ptr_eq(&old.tenant, tenant) {
        return old.clone();
    }
    if !asks_the_same(&old.tenant, tenant) {
        return Snapshot::empty(Arc::clone(tenant));
    }
    let known: HashMap<&AgentId, (&Agent, &AgentRow)> =
        old.tenant.agents.iter().zip(&old.rows).map(|(agent, row)| (&agent.id, (agent, row))).collect();
    let row = |agent: &Agent| {
        let Some((before, row)) = known.get(&agent.id) else { return AgentRow::default() };
        if before.schedule == agent.schedule {
            (*row).clone()
        } else {
            AgentRow { data: row.data.as_deref().map(off_schedule) }
        }
    };
    Snapshot { rows: tenant.agents.iter().map(row).collect(), tenant: Arc::clone(tenant) }
}

/// `data` without what speaks of a schedule.
fn off_schedule(data: &AgentData) -> Arc<AgentData> {
    let mut data = data.clone();
    if let Some(presence) = &mut data.presence {
        presence.scheduled = None;
    }
    Arc::new(data)
}

/// What a refresh brought, as a snapshot with nothing else in it.
pub(super) fn brought(
    tenant: &Arc<Tenant>,
    answered: Vec<(AgentId, Option<AgentPresence>)>,
    window: Window,
    now: Moment,
) -> Snapshot {
    let mut snapshot = Snapshot::empty(Arc::clone(tenant));
    // Places alone are looked up, as a map of what was answered would be all of it once more.
    let places: HashMap<&AgentId, usize> = tenant.agents.iter().map(|agent| &agent.id).zip(0..).collect();
    for (agent, presence) in answered {
        if let Some(row) = places.get(&agent).and_then(|place| snapshot.rows.get_mut(*place)) {
            row.data = Some(Arc::new(AgentData { presence, window, read_at: now }));
        }
    }
    snapshot
}

/// The rows of `old` with those of `new`, where it has data, in their place. Both are of one tenant.
pub(super) fn overlay(old: &Snapshot, new: Snapshot) -> Snapshot {
    let rows = old.rows.iter().zip(new.rows).map(|(old, new)| if new.data.is_some() { new } else { old.clone() });
    Snapshot { rows: rows.collect(), tenant: new.tenant }
}

/// Whether whoever asks for the agents of `asked` asks for those of `tenant`.
pub(super) fn covers(asked: &Arc<Tenant>, tenant: &Arc<Tenant>) -> bool {
    if Arc::ptr_eq(asked, tenant) {
        return true;
    }
    let asked: HashSet<&AgentId> = asked.agents.iter().map(|agent| &agent.id).collect();
    tenant.agents.iter().all(|agent| asked.contains(&agent.id))
}

/// Those of `again` that `tenant` still has, and its agents that the tenant had not `before`.
pub(super) fn still_to_ask(again: &[AgentId], before: &Tenant, tenant: &Tenant) -> Option<Vec<AgentId>> {
    let again: HashSet<&AgentId> = again.iter().collect();
    let before: HashSet<&AgentId> = before.agents.iter().map(|agent| &agent.id).collect();
    let ids = tenant.agents.iter().map(|agent| &agent.id);
    let wanted: Vec<AgentId> = ids.filter(|id| again.contains(id) || !before.contains(id)).cloned().collect();
    // Where nobody is left, everybody is asked at the next turn.
    (!wanted.is_empty()).then_some(wanted)
}
