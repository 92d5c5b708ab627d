//! The limit of concurrent scrapes (`--web.max-requests`), per tenant: scrapes that wait for a slow tenant must not block
//! those of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore per tenant.
#[derive(Debug)]
pub(super) struct ScrapeLimit {
    permits: usize,
    /// By tenant name. Names are never removed; there are as many as tenants were ever configured.
    tenants: Mutex<HashMap<String, Arc<Semaphore>>>,
}

// === impl ScrapeLimit ===

impl ScrapeLimit {
    /// Allows `max_requests` concurrent scrapes per tenant; 0 is unlimited.
    pub(super) fn new(max_requests: usize) -> Self {
        let permits = if max_requests == 0 { Semaphore::MAX_PERMITS } else { max_requests };
        Self { permits: permits.min(Semaphore::MAX_PERMITS), tenants: Mutex::default() }
    }

    /// A permit for one scrape of `tenant`; `None` if all are taken.
    pub(super) fn acquire(&self, tenant: &str) -> Option<OwnedSemaphorePermit> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = match tenants.get(tenant) {
            Some(semaphore) => Arc::clone(semaphore),
            None => Arc::clone(tenants.entry(tenant.to_owned()).or_insert(Arc::new(Semaphore::new(self.permits)))),
        };
        semaphore.try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_requests_is_a_limit_per_tenant() {
        let limit = ScrapeLimit::new(2);
        let first = limit.acquire("acme");
        let second = limit.acquire("acme");
        assert!(first.is_some() && second.is_some());
        assert!(limit.acquire("acme").is_none());
        assert!(limit.acquire("zenith").is_some());
        drop(first);
        assert!(limit.acquire("acme").is_some());
    }

    #[test]
    fn max_requests_zero_is_unlimited() {
        let limit = ScrapeLimit::new(0);
        let permits: Vec<_> = (0..1000).map(|_| limit.acquire("acme")).collect();
        assert!(permits.iter().all(Option::is_some));
    }
}
