//! Renders the counters of time per agent and state.

use super::catalogue;
use crate::exposition::BlockBuilder;
use crate::presence::{AgentId, Micros, StateName};
use crate::refresh::Snapshot;

/// Renders the counters of the agents with data. Each has a sample for each declared state, so that the first increase of a
/// state is seen. `labels` are those of the agents.
pub(super) fn render(builder: &mut BlockBuilder, snapshot: &Snapshot, labels: &[AgentId]) {
    if !snapshot.tenant.keeps_counters() {
        return;
    }
    let declared = &snapshot.tenant.states.declared;
    let mut samples = builder.family(&catalogue::AGENT_STATE_TIME_SECONDS_TOTAL);
    let agents = snapshot.tenant.agents.iter().zip(&snapshot.rows).zip(labels);
    for ((agent, _), label) in agents.filter(|((_, row), _)| row.data.is_some()) {
        let Some(times) = snapshot.counters.of(&agent.id) else { continue };
        let mut times: Vec<(&StateName, Micros)> = times.collect();
        for state in declared {
            if !times.iter().any(|(name, _)| *name == state) {
                times.push((state, Micros::ZERO));
            }
        }
        for (state, time) in times {
            samples.sample(&[label, state], time.seconds_f64());
        }
    }
}
