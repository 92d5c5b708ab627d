//! The HTTP client of a tenant, its errors, and what it may show of a response.

mod client;
mod errors;
mod redact;
mod request_guard;
mod response;
mod root_certs;

pub use client::CLOCK_SKEW_TOLERANCE;
pub(crate) use client::{Client, Request};
pub(crate) use response::{ErrorHints, Response};
