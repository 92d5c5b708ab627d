//! The observer of requests, which the metrics implement.

use std::time::Duration;

use crate::config::Api;
use crate::presence::Rejections;

/// The endpoints, by the value of the label `endpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The token endpoint.
    Token,
    /// The agent-presence report.
    Presence,
    /// The discovery documents of an issuer or an area.
    Discovery,
    /// The list of agents.
    Agents,
    /// The current states of agents.
    States,
    /// The state history of agents.
    History,
    /// The codes of `Unavailable`.
    Codes,
}

/// The result of a request, by the value of the label `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseCode {
    /// An HTTP status; for 2xx, with a decodable body.
    Status(u16),
    /// The response was not complete in time.
    Timeout,
    /// No connection, or it was cut.
    Connect,
    /// The response could not be decoded.
    Decode,
}

/// Observes the requests of a tenant.
pub trait Observer: Send + Sync + 'static {
    /// A request ended after `took`, with a body of `body_bytes` after decompression.
    fn request(&self, endpoint: Endpoint, code: ResponseCode, took: Duration, body_bytes: u64);

    /// A request is retried.
    fn retry(&self) {}

    /// Records of a list that is no part of a refresh were rejected. Those of a refresh are in
    /// [`FetchResult::rejections`](super::FetchResult::rejections).
    fn rejected(&self, rejections: &Rejections) {
        let _ = rejections;
    }

    /// A `Retry-After` of `asked` was capped to `kept`.
    fn retry_after_capped(&self, asked: Duration, kept: Duration) {
        let _ = (asked, kept);
    }

    /// The server's clock, from `Date`, is so many seconds ahead of this machine's (negative: behind); zero within the
    /// tolerance.
    fn clock_skew(&self, ahead_seconds: i64) {
        let _ = ahead_seconds;
    }

    /// The budget allows `per_minute` requests from now on; `None` is unlimited.
    fn budget(&self, per_minute: Option<u32>) {
        let _ = per_minute;
    }

    /// The budget delayed a request for `waited`.
    fn budget_waited(&self, waited: Duration) {
        let _ = waited;
    }
}

/// An [`Observer`] that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopObserver;

impl Endpoint {
    /// The endpoints of `api`.
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
}
