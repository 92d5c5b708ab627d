//! Passwords: bcrypt at a price that is the same for users that there are and users that there are not.
//!
//! A check takes a processor for tens of milliseconds, so there is one at a time, off the async threads, and what came of
//! it is remembered. No password is: what is kept is a digest under keys that the process makes up at its start.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::limits::{MAX_PASSWORDS_REMEMBERED, MAX_PASSWORDS_WAITING};

/// Salt and hash of no password, for users that there are not. It is the toolkit's own.
const UNKNOWN_USER: &str = "QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// The cost of [`UNKNOWN_USER`] where no user has one.
const DEFAULT_COST: u32 = 10;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// User and password are right.
    Right,
    /// They are not, or there are none.
    Wrong,
    /// Too many checks wait already.
    Busy,
}

/// Checks passwords.
pub(super) struct BasicAuth {
    keys: [RandomState; 2],
    turn: Arc<Semaphore>,
    waiting: Semaphore,
    remembered: Mutex<Remembered>,
}

/// Digests of what was checked. Those that were wrong cannot push out those that were right.
#[derive(Default)]
struct Remembered {
    right: Recent,
    wrong: Recent,
}

#[derive(Default)]
struct Recent {
    known: HashSet<u128>,
    order: VecDeque<u128>,
}

// === impl BasicAuth ===

impl BasicAuth {
    pub(super) fn new() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            turn: Arc::new(Semaphore::new(1)),
            waiting: Semaphore::new(MAX_PASSWORDS_WAITING),
            remembered: Mutex::default(),
        }
    }

    /// Whether the `Authorization` header has the name and the password of one of `users`.
    pub(super) async fn check(
        &self,
        users: &BTreeMap<String, SecretString>,
        authorization: Option<&HeaderValue>,
    ) -> Verdict {
        let Some((user, password)) = authorization.and_then(credentials) else { return Verdict::Wrong };
        let known = users.get(&user).cloned();
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| unknown_user_hash(users));
        let digest = self.digest(&user, &hash, &password);
        if let Some(verdict) = self.recall(digest) {
            return verdict;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // A request that waited before may have verified the same password.
        if let Some(verdict) = self.recall(digest) {
            return verdict;
        }
        let check = tokio::task::spawn_blocking(move || {
            let right = bcrypt::verify(password.expose_secret(), hash.expose_secret()).unwrap_or(false);
            // It counts until it is done, even when its request has gone.
            drop(turn);
            right
        });
        let Ok(right) = check.await else { return Verdict::Busy };
        let verdict = if right && exists { Verdict::Right } else { Verdict::Wrong };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Verdict::Right => remembered.right.insert(digest),
            _ => remembered.wrong.insert(digest),
        }
        verdict
    }

    fn recall(&self, digest: u128) -> Option<Verdict> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.right.known.contains(&digest) {
            return Some(Verdict::Right);
        }
        remembered.wrong.known.contains(&digest).then_some(Verdict::Wrong)
    }

    /// The hash belongs to it, so that nothing is remembered of a password that was changed.
    fn digest(&self, user: &str, hash: &SecretString, password: &SecretString) -> u128 {
        let what = (user, hash.expose_secret(), password.expose_secret());
        let [high, low] = [0, 1].map(|nth: usize| self.keys.get(nth).map_or(0, |key| key.hash_one(what)));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A hash that costs as much as the dearest of `users`.
fn unknown_user_hash(users: &BTreeMap<String, SecretString>) -> SecretString {
    let cost = |hash: &SecretString| hash.expose_secret().get(4..6).and_then(|cost| cost.parse::<u32>().ok());
    let cost = users.values().filter_map(cost).max().unwrap_or(DEFAULT_COST);
    SecretString::from(format!("$2y${cost:02}${UNKNOWN_USER}"))
}

/// The user and the password in `Basic …`, as RFC 7617 has them.
fn credentials(authorization: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = authorization.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), SecretString::from(password)))
}

// === impl Recent ===

impl Recent {
    fn insert(&mut self, digest: u128) {
        if self.known.insert(digest) {
            self.order.push_back(digest);
        }
        if self.order.len() > MAX_PASSWORDS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `correct horse`, at the least cost, so that tests are quick.
    const HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

    fn users() -> BTreeMap<String, SecretString> {
        BTreeMap::from([("alice".to_owned(), SecretString::from(HASH))])
    }

    fn basic(text: &str) -> HeaderValue {
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(text))).unwrap()
    }

    #[tokio::test]
    async fn right_wrong_unknown_and_cached() {
        let auth = BasicAuth::new();
        let users = users();
        let table = [
            (Some(basic("alice:correct horse")), Verdict::Right),
            (Some(basic("alice:wrong")), Verdict::Wrong),
            (Some(basic("bob:correct horse")), Verdict::Wrong),
            (Some(basic("alice")), Verdict::Wrong),
            (Some(basic(":")), Verdict::Wrong),
            (Some(HeaderValue::from_static("Basic !!")), Verdict::Wrong),
            (Some(HeaderValue::from_static("Bearer x")), Verdict::Wrong),
            (None, Verdict::Wrong),
        ];
        for _ in 0..2 {
            for (header, verdict) in &table {
                assert_eq!(auth.check(&users, header.as_ref()).await, *verdict, "{header:?}");
            }
        }
        let remembered = auth.remembered.lock().unwrap();
        assert_eq!((remembered.right.order.len(), remembered.wrong.order.len()), (1, 3));
    }

    #[tokio::test]
    async fn what_is_remembered_needs_no_turn_and_what_is_not_waits_for_its_own() {
        let auth = Arc::new(BasicAuth::new());
        let right = basic("alice:correct horse");
        assert_eq!(auth.check(&users(), Some(&right)).await, Verdict::Right);
        let taken = Arc::clone(&auth.turn).acquire_owned().await.unwrap();
        assert_eq!(auth.check(&users(), Some(&right)).await, Verdict::Right);
        let waiting: Vec<_> = (0..MAX_PASSWORDS_WAITING)
            .map(|nth| {
                let auth = Arc::clone(&auth);
                tokio::spawn(async move { auth.check(&users(), Some(&basic(&format!("alice:{nth}")))).await })
            })
            .collect();
        while auth.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(auth.check(&users(), Some(&basic("alice:one too many"))).await, Verdict::Busy);
        drop(taken);
        for check in waiting {
            assert_eq!(check.await.unwrap(), Verdict::Wrong);
        }
    }

    #[test]
    fn nobody_costs_as_much_as_the_dearest_user() {
        let dear = HASH.replace("$04$", "$12$");
        let users = BTreeMap::from([("a".into(), SecretString::from(HASH)), ("b".into(), SecretString::from(dear))]);
        assert!(unknown_user_hash(&users).expose_secret().starts_with("$2y$12$"));
        assert!(!bcrypt::verify("", unknown_user_hash(&self::users()).expose_secret()).unwrap());
    }

    #[test]
    fn the_wrong_ones_are_bounded() {
        let mut recent = Recent::default();
        (0..10_000).for_each(|nth| recent.insert(nth));
        assert_eq!((recent.known.len(), recent.order.len()), (MAX_PASSWORDS_REMEMBERED, MAX_PASSWORDS_REMEMBERED));
    }
}
