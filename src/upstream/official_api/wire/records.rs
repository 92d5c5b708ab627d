//! The rows of the lists that are asked for, as far as their fields are needed.
//!
//! Source: NICE's `OpenAPI` files, as clients generated from them have them: `/agents`, `/agents/states`,
//! `/agents/state-history` and `/teams/{teamId}/unavailable-codes`. Every field may be missing or null in practice.

use serde::Deserialize;

use super::envelope::Record;
use super::lenient::{Flag, Text, Whole};

/// A row of `/agents`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::upstream::official_api) struct AgentRecord {
    pub(in crate::upstream::official_api) agent_id: Text,
    pub(in crate::upstream::official_api) first_name: Text,
    pub(in crate::upstream::official_api) last_name: Text,
    pub(in crate::upstream::official_api) is_active: Flag,
    pub(in crate::upstream::official_api) team_name: Text,
}

/// A row of `/agents/states`: the state that an agent is in, and since when.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::upstream::official_api) struct StateRecord {
    pub(in crate::upstream::official_api) agent_id: Text,
    pub(in crate::upstream::official_api) team_id: Text,
    pub(in crate::upstream::official_api) start_date: Text,
    pub(in crate::upstream::official_api) agent_state_id: Whole,
    pub(in crate::upstream::official_api) agent_state_name: Text,
    pub(in crate::upstream::official_api) out_state_id: Text,
    pub(in crate::upstream::official_api) out_state_description: Text,
    #[serde(rename = "isACW", alias = "isAcw")]
    pub(in crate::upstream::official_api) is_acw: Flag,
}

/// A row of `/agents/state-history`: a state that an agent was in, from when and for how long.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::upstream::official_api) struct HistoryRecord {
    pub(in crate::upstream::official_api) agent_id: Text,
    pub(in crate::upstream::official_api) agent_session_id: Whole,
    pub(in crate::upstream::official_api) state_index: Whole,
    pub(in crate::upstream::official_api) start_date: Text,
    pub(in crate::upstream::official_api) duration: Text,
    pub(in crate::upstream::official_api) agent_state_id: Whole,
    pub(in crate::upstream::official_api) agent_state_name: Text,
    pub(in crate::upstream::official_api) out_state_id: Text,
    pub(in crate::upstream::official_api) out_state_description: Text,
    #[serde(rename = "isACW", alias = "isAcw")]
    pub(in crate::upstream::official_api) is_acw: Flag,
}

/// A row of `/teams/{teamId}/unavailable-codes`: a reason to be unavailable.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::upstream::official_api) struct CodeRecord {
    pub(in crate::upstream::official_api) out_state_id: Text,
    pub(in crate::upstream::official_api) out_state_name: Text,
    #[serde(rename = "isAcw", alias = "isACW")]
    pub(in crate::upstream::official_api) is_acw: Flag,
}

impl Record for AgentRecord {
    const LIST: &'static str = "agents";
}

impl Record for StateRecord {
    const LIST: &'static str = "agentStates";
}

impl Record for HistoryRecord {
    const LIST: &'static str = "agentStateHistory";
}

impl Record for CodeRecord {
    const LIST: &'static str = "unavailableCodes";
}
