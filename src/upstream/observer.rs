//! Whom `upstream` tells what it did.

use std::time::Duration;

use crate::config::Api;

/// The endpoints that are asked, by the value of the label `endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Where tokens are issued.
    Token,
    /// The agent-presence report.
    Presence,
    /// Where an issuer or an area tells its addresses.
    Discovery,
    /// The list of agents.
    Agents,
    /// The states that agents are in.
    States,
    /// The states that agents were in.
    History,
    /// The codes of `Unavailable`.
    Codes,
}

/// How a request ended, by the value of the label `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseCode {
    /// An HTTP status was answered and, where it was 2xx, its body could be used.
    Status(u16),
    /// Nothing, or not all of it, came in time.
    Timeout,
    /// No connection, or it was cut.
    Connect,
    /// The answer could not be understood.
    Decode,
}

/// Is told of each request as it ends.
pub trait Observer: Send + Sync + 'static {
    /// A request ended after `took`, having brought `body_bytes` of answer (after decompression).
    fn request(&self, endpoint: Endpoint, code: ResponseCode, took: Duration, body_bytes: u64);

    /// A request is about to be sent again.
    fn retry(&self);

    /// The server asked for more patience than is granted; the wait was cut to `kept`.
    fn retry_after_capped(&self, asked: Duration, kept: Duration);

    /// An answer told the server's time of day: how many seconds it is ahead of this machine's (negative:
    /// behind), and zero while the two are as close as can be told.
    fn clock_skew(&self, ahead_seconds: i64) {
        let _ = ahead_seconds;
    }

    /// The tenant's budget allows so many requests a minute from now on; `None`: there is no budget.
    fn budget(&self, per_minute: Option<u32>) {
        let _ = per_minute;
    }

    /// The budget has held the next request back for `waited`.
    fn budget_waited(&self, waited: Duration) {
        let _ = waited;
    }
}

/// An [`Observer`] that does not care.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopObserver;

impl Endpoint {
    /// The endpoints that are asked by `api`.
    pub const fn of(api: Api) -> &'static [Self] {
        match api {
            Api::Presence => &[Self::Token, Self::Presence],
            Api::Official => &[Self::Token, Self::Discovery, Self::Agents, Self::States, Self::History, Self::Codes],
        }
    }

    /// The value of the label `endpoint`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Presence => "presence",
            Self::Discovery => "discovery",
            Self::Agents => "agents",
            Self::States => "states",
            Self::History => "history",
            Self::Codes => "codes",
        }
    }
}

impl Observer for NoopObserver {
    fn request(&self, _: Endpoint, _: ResponseCode, _: Duration, _: u64) {}
    fn retry(&self) {}
    fn retry_after_capped(&self, _: Duration, _: Duration) {}
}
