//! Issued access tokens.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::random;
use crate::clock::Monotonic;

/// Maximum number of valid tokens; the oldest is then revoked. Only a misbehaving client requests more.
const MAX_TOKENS: usize = 1_000;

/// The valid tokens.
#[derive(Debug)]
pub(super) struct AccessTokens {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Key of the next token.
    next: u64,
    valid: VecDeque<(String, Monotonic)>,
}

// === impl AccessTokens ===

impl AccessTokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { inner: Mutex::new(Inner { next: random::key(seed, 0x70_6B), valid: VecDeque::new() }) }
    }

    /// Issues a token that is valid for `lifetime`.
    pub(super) fn issue(&self, now: Monotonic, lifetime: Duration) -> String {
        self.with(|inner| {
            inner.next = random::mix(inner.next);
            let token = format!("simulated-{:016x}{:016x}", inner.next, random::mix(!inner.next));
            if inner.valid.len() == MAX_TOKENS {
                inner.valid.pop_front();
            }
            inner.valid.push_back((token.clone(), now + lifetime));
            token
        })
    }

    /// Whether `token` is valid at `now`.
    pub(super) fn is_valid(&self, token: &str, now: Monotonic) -> bool {
        self.with(|inner| {
            inner.valid.retain(|(_, expiry)| *expiry > now);
            inner.valid.iter().any(|(valid, _)| valid == token)
        })
    }

    pub(super) fn revoke_all(&self) {
        self.with(|inner| inner.valid.clear());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
