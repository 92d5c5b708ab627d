//! Access tokens: given out, good for a while, revoked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::hash;
use crate::clock::Monotonic;

/// How many tokens are good at once; more are only asked for by a client that has lost its way, and the
/// oldest then ends.
const MOST_TOKENS: usize = 1_000;

/// The tokens that are good.
#[derive(Debug)]
pub(super) struct Tokens {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The key that the next token is made from.
    next: u64,
    good: VecDeque<(String, Monotonic)>,
}

// === impl Tokens ===

impl Tokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { inner: Mutex::new(Inner { next: hash::key(seed, 0x70_6B), good: VecDeque::new() }) }
    }

    /// A new token that is good from `now` on for `lifetime`.
    pub(super) fn issue(&self, now: Monotonic, lifetime: Duration) -> String {
        self.with(|inner| {
            inner.next = hash::mix(inner.next);
            let token = format!("simulated-{:016x}{:016x}", inner.next, hash::mix(!inner.next));
            if inner.good.len() == MOST_TOKENS {
                inner.good.pop_front();
            }
            inner.good.push_back((token.clone(), now + lifetime));
            token
        })
    }

    /// Whether `token` is good at `now`.
    pub(super) fn is_good(&self, token: &str, now: Monotonic) -> bool {
        self.with(|inner| {
            inner.good.retain(|(_, expiry)| *expiry > now);
            inner.good.iter().any(|(good, _)| good == token)
        })
    }

    pub(super) fn revoke_all(&self) {
        self.with(|inner| inner.good.clear());
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
