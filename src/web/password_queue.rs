//! The queue of passwords that wait for verification: one runs at a time, and peers take turns.
//!
//! A flood of unknown passwords from one address must not keep out users at other addresses, whose passwords are not cached
//! after a restart. Places in the queue are therefore shared by peer address, and so are turns.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::limits::MAX_PASSWORDS_WAITING;

/// The bits of an IPv6 address that one client can choose freely.
const HOST_BITS: u32 = 64;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct PasswordQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_running: bool,
    /// The waiting verifications, oldest first.
    waiting: Vec<Waiting>,
    turns: u64,
    /// The number of each peer's last turn, for peers that wait.
    last_turns: HashMap<IpAddr, u64>,
}

#[derive(Debug)]
struct Waiting {
    peer: IpAddr,
    /// Dropped to evict the verification.
    turn: oneshot::Sender<Turn>,
}

/// The right to verify a password, until dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<PasswordQueue>);

// === impl PasswordQueue ===

impl PasswordQueue {
    /// Waits for a turn. `None` if the queue is full and no other address has more places than this one: the newest place of
    /// the address with the most is evicted.
    pub(super) async fn turn(self: &Arc<Self>, peer: IpAddr) -> Option<Turn> {
        let peer = network(peer);
        let turn = {
            let mut state = self.state();
            // The clients of the others have disconnected.
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            if !state.is_running {
                state.is_running = true;
                state.count_turn(peer);
                return Some(Turn(Arc::clone(self)));
            }
            if state.waiting.len() >= MAX_PASSWORDS_WAITING && !state.evict_for(peer) {
                return None;
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push(Waiting { peer, turn: sender });
            turn
        };
        turn.await.ok()
    }

    /// The number of waiting verifications.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn count_turn(&mut self, peer: IpAddr) {
        self.turns += 1;
        self.last_turns.insert(peer, self.turns);
        let waiting = &self.waiting;
        self.last_turns.retain(|known, _| *known == peer || waiting.iter().any(|waiting| waiting.peer == *known));
    }

    /// Removes the verification whose peer had its last turn the longest ago.
    fn next(&mut self) -> Option<Waiting> {
        let last_turn = |waiting: &Waiting| self.last_turns.get(&waiting.peer).copied().unwrap_or_default();
        let (next, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| last_turn(waiting))?;
        let next = self.waiting.remove(next);
        self.count_turn(next.peer);
        Some(next)
    }

    /// Evicts the newest verification of the peer with the most; false if none has more than `peer`.
    fn evict_for(&mut self, peer: IpAddr) -> bool {
        let mut places: HashMap<IpAddr, usize> = HashMap::new();
        for waiting in &self.waiting {
            *places.entry(waiting.peer).or_default() += 1;
        }
        let of = |peer: IpAddr| places.get(&peer).copied().unwrap_or_default();
        let most = places.values().copied().max().unwrap_or_default();
        let newest = self.waiting.iter().rposition(|waiting| of(waiting.peer) == most);
        match newest {
            Some(newest) if most > of(peer) + 1 => {
                self.waiting.remove(newest);
                true
            }
            _ => false,
        }
    }
}

// === impl Turn ===

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.next();
            state.is_running = next.is_some();
            next
        };
        if let Some(waiting) = next {
            // If the client has disconnected, the turn comes back, is dropped here, and the next one gets it.
            drop(waiting.turn.send(Self(Arc::clone(&self.0))));
        }
    }
}

/// The addresses that count as one peer: an IPv4 address, or a /64 of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> HOST_BITS << HOST_BITS)),
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn wait(queue: &Arc<PasswordQueue>, peer: &str) -> JoinHandle<Option<Turn>> {
        let (queue, peer) = (Arc::clone(queue), peer.parse().unwrap());
        tokio::spawn(async move { queue.turn(peer).await })
    }

    /// A queue whose turn is taken and whose places are full with `flood`.
    async fn flooded(flood: &str) -> (Arc<PasswordQueue>, Turn, Vec<JoinHandle<Option<Turn>>>) {
        let queue = Arc::new(PasswordQueue::default());
        let turn = queue.turn(flood.parse().unwrap()).await.unwrap();
        let waiting = (0..MAX_PASSWORDS_WAITING).map(|_| wait(&queue, flood)).collect();
        while queue.waiting() < MAX_PASSWORDS_WAITING {
            tokio::task::yield_now().await;
        }
        (queue, turn, waiting)
    }

    #[tokio::test]
    async fn password_flood_keeps_no_other_address_out() {
        let (queue, turn, mut flood) = flooded("192.0.2.1").await;
        assert!(wait(&queue, "192.0.2.1").await.unwrap().is_none(), "its own newest is refused");
        let user = wait(&queue, "192.0.2.2");
        // The newest of the flood was evicted for the user, who is next.
        assert!(flood.pop().unwrap().await.unwrap().is_none());
        drop(turn);
        let turn = user.await.unwrap().expect("a turn");
        assert_eq!(queue.waiting(), MAX_PASSWORDS_WAITING - 1);
        drop(turn);
        for waiting in flood {
            assert!(waiting.await.unwrap().is_some());
        }
        assert!(!queue.state().is_running && queue.waiting() == 0);
    }

    #[tokio::test]
    async fn password_places_are_shared_by_address() {
        let (queue, _turn, flood) = flooded("192.0.2.1").await;
        // Until both have the same number of places.
        let others: Vec<_> = (0..MAX_PASSWORDS_WAITING).map(|_| wait(&queue, "2001:db8::1")).collect();
        let mut refused = 0;
        for waiting in flood.into_iter().chain(others) {
            tokio::task::yield_now().await;
            refused += usize::from(waiting.is_finished());
        }
        assert_eq!((queue.waiting(), refused), (MAX_PASSWORDS_WAITING, MAX_PASSWORDS_WAITING));
        let of = |peer: &str| {
            queue.state().waiting.iter().filter(|waiting| waiting.peer == network(peer.parse().unwrap())).count()
        };
        assert_eq!((of("192.0.2.1"), of("2001:db8::1")), (MAX_PASSWORDS_WAITING / 2, MAX_PASSWORDS_WAITING / 2));
    }

    #[tokio::test]
    async fn password_of_a_disconnected_client_leaves_the_queue() {
        let (queue, turn, flood) = flooded("192.0.2.1").await;
        for waiting in flood {
            waiting.abort();
            let _ = waiting.await;
        }
        let user = wait(&queue, "192.0.2.1");
        while queue.waiting() != 1 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        assert!(user.await.unwrap().is_some());
    }

    #[test]
    fn ipv6_peers_are_networks() {
        let table = [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ];
        for (peer, expected) in table {
            assert_eq!(network(peer.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{peer}");
        }
    }
}
