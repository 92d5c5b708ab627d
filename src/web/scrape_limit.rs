//! How many scrapes are under way (`--web.max-requests`), for each tenant by itself: those that wait for a tenant that does
//! not answer must not keep the scrapes of others out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The scrapes that are under way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The most of one tenant; `None` is no limit.
    limit: Option<usize>,
    /// By the tenant's name. A name stays, so there are as many as there have been tenants.
    counts: Mutex<HashMap<String, usize>>,
}

/// One scrape that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Entered<'a> {
    of: &'a InFlight,
    tenant: &'a str,
}

// === impl InFlight ===

impl InFlight {
    /// Lets in up to `limit` scrapes of each tenant; 0 is no limit.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: Some(limit).filter(|limit| *limit > 0), counts: Mutex::default() }
    }

    /// Counts a scrape of `tenant` for as long as the answer lives; `None` where there are as many as there may be.
    pub(super) fn enter<'a>(&'a self, tenant: &'a str) -> Option<Entered<'a>> {
        let mut counts = self.counts();
        match counts.get_mut(tenant) {
            Some(count) if self.limit.is_some_and(|limit| *count >= limit) => return None,
            Some(count) => *count += 1,
            None => {
                counts.insert(tenant.to_owned(), 1);
            }
        }
        Some(Entered { of: self, tenant })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Entered ===

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.of.counts().get_mut(self.tenant) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_its_own_limit() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter("acme");
        let second = in_flight.enter("acme");
        assert!(first.is_some() && second.is_some());
        assert!(in_flight.enter("acme").is_none());
        assert!(in_flight.enter("zenith").is_some());
        drop(first);
        assert!(in_flight.enter("acme").is_some());
    }

    #[test]
    fn zero_is_no_limit() {
        let in_flight = InFlight::new(0);
        let entered: Vec<_> = (0..1000).map(|_| in_flight.enter("acme")).collect();
        assert!(entered.iter().all(Option::is_some));
    }
}
