//! When a request may be sent: rate gate (`Retry-After`), budget, and retries.

mod budget;
mod gate;
mod limiter;
mod request_rate;
mod retry;
pub(super) mod retry_after;
mod token_bucket;

pub(crate) use budget::RateStatus;
pub(crate) use gate::RateGate;
pub(crate) use limiter::RateLimiter;
pub use request_rate::RequestRate;
pub(crate) use retry::{Attempts, MAX_RATE_LIMITED};
