//! The limit of open connections. At the limit, a connection that does not read its response is closed first, then the one
//! that has been idle for longest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::connection_state::ConnectionState;

/// The open connections.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    capacity: usize,
    sequence: Arc<AtomicU64>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    connections: HashMap<u64, Arc<ConnectionState>>,
}

/// A connection's slot, free again when dropped.
#[derive(Debug)]
pub(super) struct PoolSlot {
    pool: Arc<ConnectionPool>,
    id: u64,
    pub(super) state: Arc<ConnectionState>,
}

// === impl ConnectionPool ===

impl ConnectionPool {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, sequence: Arc::default(), open: Mutex::default() }
    }

    /// A slot for a new connection, and whether another one was evicted for it. `None` if all connections wait for a
    /// response that is not ready.
    ///
    /// A new connection counts as active, so a scraper has the time to send its request: with 512 slots and a thousand
    /// new connections a second, half a second.
    pub(super) fn acquire(self: &Arc<Self>, peer: IpAddr) -> Option<(PoolSlot, bool)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = open.connections.len() >= self.capacity;
        if is_full {
            let ranks = open.connections.iter().filter_map(|(id, state)| Some((state.eviction_rank()?, *id)));
            let (_, id) = ranks.min()?;
            // The connection keeps its descriptor until its task ends; the limit of descriptors allows for that.
            if let Some(state) = open.connections.remove(&id) {
                state.evict();
            }
        }
        let state = Arc::new(ConnectionState::new(peer, Arc::clone(&self.sequence)));
        let id = open.next_id;
        open.next_id += 1;
        open.connections.insert(id, Arc::clone(&state));
        Some((PoolSlot { pool: Arc::clone(self), id, state }, is_full))
    }
}

// === impl PoolSlot ===

impl Drop for PoolSlot {
    fn drop(&mut self) {
        self.pool.open.lock().unwrap_or_else(PoisonError::into_inner).connections.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn is_open(slot: &PoolSlot) -> bool {
        slot.pool.open.lock().unwrap().connections.contains_key(&slot.id)
    }

    #[test]
    fn eviction_spares_a_new_connection() {
        let pool = Arc::new(ConnectionPool::new(4));
        let mut idle: Vec<_> = (0..3).map(|_| pool.acquire(PEER).unwrap().0).collect();
        idle.iter().for_each(|slot| drop(slot.state.begin_request()));
        let new = pool.acquire(PEER).unwrap().0;
        idle.push(pool.acquire(PEER).unwrap().0);
        assert!(is_open(&new) && !idle.iter().take(1).any(is_open));
        idle.extend((0..3).map(|_| pool.acquire(PEER).unwrap().0));
        assert!(!is_open(&new), "it has become the one idle for longest");
    }

    #[test]
    fn eviction_closes_the_longest_idle_and_no_busy_connection() {
        let pool = Arc::new(ConnectionPool::new(3));
        let [silent, idle, busy] = [0; 3].map(|_| pool.acquire(PEER).unwrap().0);
        let _active = busy.state.begin_request();
        drop(idle.state.begin_request());
        let (first, evicted) = pool.acquire(PEER).unwrap();
        assert!(evicted && !is_open(&silent) && is_open(&idle) && is_open(&busy));
        let _first_active = first.state.begin_request();
        let (second, _) = pool.acquire(PEER).unwrap();
        assert!(!is_open(&idle) && is_open(&busy) && is_open(&first));
        let _second_active = second.state.begin_request();
        assert!(pool.acquire(PEER).is_none(), "all connections are being answered");
        drop(busy);
        assert!(matches!(pool.acquire(PEER), Some((_, false))));
    }

    #[test]
    fn eviction_starts_with_stalled_http2_streams() {
        let pool = Arc::new(ConnectionPool::new(3));
        let [idle, stalled, waiting] = [0; 3].map(|_| pool.acquire(PEER).unwrap().0);
        let _waiting = waiting.state.begin_request();
        let _unanswered = stalled.state.begin_request();
        let stream = stalled.state.stall();
        let (next, evicted) = pool.acquire(PEER).unwrap();
        assert!(evicted && !is_open(&stalled) && is_open(&idle));
        drop(stream);
        assert_eq!(stalled.state.eviction_rank(), None, "the client reads again");
        let response = next.state.begin_request().track(crate::web::Chunks::from("sent by and by"));
        drop(pool.acquire(PEER).unwrap());
        assert!(!is_open(&idle) && is_open(&next));
        let _another = pool.acquire(PEER).unwrap();
        assert!(pool.acquire(PEER).is_some(), "a response that is ready does not protect a connection");
        drop(response);
    }

    #[test]
    fn eviction_includes_a_client_that_does_not_read() {
        let pool = Arc::new(ConnectionPool::new(1));
        let slow = pool.acquire(PEER).unwrap().0;
        let _active = slow.state.begin_request();
        assert!(pool.acquire(PEER).is_none());
        slow.state.lock().blocked = true;
        assert!(matches!(pool.acquire(PEER), Some((_, true))));
    }
}
