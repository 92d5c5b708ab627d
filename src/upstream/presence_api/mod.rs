//! The agent-presence report (`api: presence`).

pub mod wire;
