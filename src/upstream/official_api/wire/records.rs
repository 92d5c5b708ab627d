//! The rows of the lists that are read, as far as their fields are needed.
//!
//! Source: NICE's `OpenAPI` files, as clients generated from them have them: `/agents`, `/agents/states`,
//! `/agents/state-history`, `/unavailable-codes` and `/teams/{teamId}/unavailable-codes`. Every field may be missing or
//! null in practice, and writers differ in the case of keys (`agentId`, `AgentId`; `isACW`, `isAcw`).

use super::lenient::Slot;
use crate::presence::{Micros, Rejection};

/// A row of a list.
pub(crate) trait Record: Default + Send + 'static {
    /// The key that the rows stand under.
    const LIST: &'static str;

    /// Whether a row is of an agent whose presence is requested, so that other rows need not be kept.
    const IS_OF_AGENT: bool = false;

    /// Why a row without an id is rejected.
    const NO_ID: Rejection = Rejection::UnknownAgent;

    /// Where the value of `key`, which is in lower case, goes; `None` where it is not needed.
    fn slot(&mut self, key: &str) -> Option<Slot<'_>>;

    /// The id of the agent or code that the row is about.
    fn id(&self) -> Option<&str>;
}

/// A row of `/agents`.
#[derive(Debug, Default)]
pub(crate) struct AgentRecord {
    pub(crate) agent_id: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) is_active: Option<bool>,
    pub(crate) team_name: Option<String>,
}

/// The fields of a row that say which state it is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateFields {
    pub(crate) id: Option<i64>,
    pub(crate) name: Option<String>,
    /// `outStateId`, the id of an unavailable code.
    pub(crate) code: Option<String>,
    /// `outStateDescription`, the text of an unavailable code.
    pub(crate) description: Option<String>,
    /// `isACW`: whether this is after-contact work.
    pub(crate) acw: Option<bool>,
}

/// A row of `/agents/states`: the state that an agent is in, and since when.
#[derive(Debug, Default)]
pub(crate) struct StateRecord {
    pub(crate) agent_id: Option<String>,
    pub(crate) team_id: Option<String>,
    pub(crate) start_date: Option<String>,
    pub(crate) last_update_time: Option<String>,
    pub(crate) state: StateFields,
}

/// A row of `/agents/state-history`: a state that an agent was in, from when and for how long.
#[derive(Debug, Default)]
pub(crate) struct HistoryRecord {
    pub(crate) agent_id: Option<String>,
    pub(crate) agent_session_id: Option<i64>,
    pub(crate) state_index: Option<i64>,
    pub(crate) start_date: Option<String>,
    pub(crate) duration: Option<Result<Micros, Rejection>>,
    pub(crate) state: StateFields,
}

/// A row of a list of unavailable codes. That of a team has `outStateId` and `outStateName`, that of the business unit `id`
/// and `name`.
#[derive(Debug, Default)]
pub(crate) struct CodeRecord {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) is_acw: Option<bool>,
}

// === impl StateFields ===

impl StateFields {
    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "agentstateid" => Slot::Whole(&mut self.id),
            "agentstatename" => Slot::Text(&mut self.name),
            "outstateid" => Slot::Id(&mut self.code),
            "outstatedescription" => Slot::Text(&mut self.description),
            "isacw" => Slot::Flag(&mut self.acw),
            _ => return None,
        })
    }
}

impl Record for AgentRecord {
    const LIST: &'static str = "agents";

    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "agentid" => Slot::Id(&mut self.agent_id),
            "firstname" => Slot::Text(&mut self.first_name),
            "lastname" => Slot::Text(&mut self.last_name),
            "isactive" => Slot::Flag(&mut self.is_active),
            "teamname" => Slot::Text(&mut self.team_name),
            _ => return None,
        })
    }

    fn id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }
}

impl Record for StateRecord {
    const LIST: &'static str = "agentStates";
    const IS_OF_AGENT: bool = true;

    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        match key {
            "agentid" => Some(Slot::Id(&mut self.agent_id)),
            "teamid" => Some(Slot::Id(&mut self.team_id)),
            "startdate" => Some(Slot::Text(&mut self.start_date)),
            "lastupdatetime" => Some(Slot::Text(&mut self.last_update_time)),
            key => self.state.slot(key),
        }
    }

    fn id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }
}

impl Record for HistoryRecord {
    const LIST: &'static str = "agentStateHistory";
    const IS_OF_AGENT: bool = true;

    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        match key {
            "agentid" => Some(Slot::Id(&mut self.agent_id)),
            "agentsessionid" => Some(Slot::Whole(&mut self.agent_session_id)),
            "stateindex" => Some(Slot::Whole(&mut self.state_index)),
            "startdate" => Some(Slot::Text(&mut self.start_date)),
            "duration" => Some(Slot::Duration(&mut self.duration)),
            key => self.state.slot(key),
        }
    }

    fn id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }
}

impl Record for CodeRecord {
    const LIST: &'static str = "unavailableCodes";
    const NO_ID: Rejection = Rejection::Malformed;

    fn slot(&mut self, key: &str) -> Option<Slot<'_>> {
        Some(match key {
            "outstateid" | "id" => Slot::Id(&mut self.id),
            "outstatename" | "name" => Slot::Text(&mut self.name),
            "isacw" => Slot::Flag(&mut self.is_acw),
            _ => return None,
        })
    }

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}
