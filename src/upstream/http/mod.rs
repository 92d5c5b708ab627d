//! The HTTP client of a tenant: one retry loop, error classification, redaction.

mod body;
mod client;
mod clock_skew;
mod decoded_text;
mod errors;
mod fetch;
mod health;
pub(crate) mod json_repair;
mod proxy;
mod redact;
mod request_guard;
mod response;
mod root_certs;

pub(crate) use client::{Client, Request};
pub use clock_skew::CLOCK_SKEW_TOLERANCE;
pub(crate) use fetch::{DecodeError, Decoded};
pub(crate) use health::{HealthRequestError, HealthResponse, request_health};
pub(crate) use response::ErrorHints;
