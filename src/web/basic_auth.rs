//! Verifies passwords by bcrypt. A known and an unknown user take the same time.
//!
//! A verification takes a processor for tens of milliseconds, so one runs at a time, off the async threads, and its result
//! is cached. The cache has no passwords, but digests with random keys that are generated when the process starts.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::limits::MAX_PASSWORDS_REMEMBERED;
use super::password_queue::PasswordQueue;

/// Salt and hash for unknown users; no password matches. It is the exporter-toolkit's own.
const UNKNOWN_USER: &str = "QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// The cost of [`UNKNOWN_USER`] where no user has one.
const DEFAULT_COST: u32 = 10;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// User and password are right.
    Right,
    /// User or password are wrong or missing.
    Wrong,
    /// Too many passwords wait for verification.
    Busy,
}

/// Checks passwords.
pub(super) struct BasicAuth {
    keys: [RandomState; 2],
    pub(super) queue: Arc<PasswordQueue>,
    remembered: Mutex<Remembered>,
}

/// Digests of verified credentials. Wrong ones cannot evict right ones.
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
        Self { keys: [RandomState::new(), RandomState::new()], queue: Arc::default(), remembered: Mutex::default() }
    }

    /// Checks whether the `Authorization` header has the name and the password of one of `users`. The request is from `peer`.
    pub(super) async fn check(
        &self,
        users: &BTreeMap<String, SecretString>,
        authorization: Option<&HeaderValue>,
        peer: IpAddr,
    ) -> Verdict {
        let Some((user, password)) = authorization.and_then(credentials) else { return Verdict::Wrong };
        let known = users.get(&user).cloned();
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| unknown_user_hash(users));
        let digest = self.digest(&user, &hash, &password);
        if let Some(verdict) = self.recall(digest) {
            return verdict;
        }
        let Some(turn) = self.queue.turn(peer).await else { return Verdict::Busy };
        // A request that waited before may have verified the same password.
        if let Some(verdict) = self.recall(digest) {
            return verdict;
        }
        let check = tokio::task::spawn_blocking(move || {
            let right = bcrypt::verify(password.expose_secret(), hash.expose_secret()).unwrap_or(false);
            // The verification holds its turn to its end, even if the client has disconnected.
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

    /// Includes the hash, so that a changed password invalidates the cached result.
    fn digest(&self, user: &str, hash: &SecretString, password: &SecretString) -> u128 {
        let what = (user, hash.expose_secret(), password.expose_secret());
        let [high, low] = [0, 1].map(|nth: usize| self.keys.get(nth).map_or(0, |key| key.hash_one(what)));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A hash with the highest cost among `users`, so that an unknown user takes as long as a known one.
fn unknown_user_hash(users: &BTreeMap<String, SecretString>) -> SecretString {
    let cost = |hash: &SecretString| hash.expose_secret().get(4..6).and_then(|cost| cost.parse::<u32>().ok());
    let cost = users.values().filter_map(cost).max().unwrap_or(DEFAULT_COST);
    SecretString::from(format!("$2y${cost:02}${UNKNOWN_USER}"))
}

/// The user and the password in `Basic …`. Source: RFC 7617.
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
    use std::net::Ipv4Addr;

    use super::*;
    use crate::web::limits::MAX_PASSWORDS_WAITING;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// `correct horse`, at the least cost, so that tests are quick.
    const HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

    fn users() -> BTreeMap<String, SecretString> {
        BTreeMap::from([("alice".to_owned(), SecretString::from(HASH))])
    }

    fn basic(text: &str) -> HeaderValue {
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(text))).unwrap()
    }

    #[tokio::test]
    async fn verdicts_are_the_same_when_cached() {
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
                assert_eq!(auth.check(&users, header.as_ref(), PEER).await, *verdict, "{header:?}");
            }
        }
        let remembered = auth.remembered.lock().unwrap();
        assert_eq!((remembered.right.order.len(), remembered.wrong.order.len()), (1, 3));
    }

    #[test]
    fn credentials_are_read_as_rfc_7617_has_them() {
        let alice = ("alice", "correct horse");
        let table = [
            ("Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", Some(alice)),
            ("basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", Some(alice)),
            ("BASIC YWxpY2U6Y29ycmVjdCBob3JzZQ==", Some(alice)),
            ("Basic   YWxpY2U6Y29ycmVjdCBob3JzZQ== ", Some(alice)),
            // `alice:a:b:c`: only the first colon separates.
            ("Basic YWxpY2U6YTpiOmM=", Some(("alice", "a:b:c"))),
            ("Basic Og==", Some(("", ""))),
            ("Bearer YWxpY2U6Y29ycmVjdCBob3JzZQ==", None),
            ("BasicYWxpY2U6Y29ycmVjdCBob3JzZQ==", None),
            ("Basic YWxpY2U=", None),
            ("Basic /w==", None),
            ("Basic", None),
        ];
        for (header, expected) in table {
            let read = credentials(&HeaderValue::from_static(header));
            let read = read.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(read, expected, "{header}");
        }
    }

    #[tokio::test]
    async fn cached_password_needs_no_turn() {
        let auth = Arc::new(BasicAuth::new());
        let right = basic("alice:correct horse");
        assert_eq!(auth.check(&users(), Some(&right), PEER).await, Verdict::Right);
        let taken = auth.queue.turn(PEER).await.unwrap();
        assert_eq!(auth.check(&users(), Some(&right), PEER).await, Verdict::Right);
        let waiting: Vec<_> = (0..MAX_PASSWORDS_WAITING)
            .map(|nth| {
                let auth = Arc::clone(&auth);
                tokio::spawn(async move { auth.check(&users(), Some(&basic(&format!("alice:{nth}"))), PEER).await })
            })
            .collect();
        while auth.queue.waiting() < MAX_PASSWORDS_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(auth.check(&users(), Some(&basic("alice:one too many")), PEER).await, Verdict::Busy);
        drop(taken);
        for check in waiting {
            assert_eq!(check.await.unwrap(), Verdict::Wrong);
        }
    }

    #[test]
    fn unknown_user_costs_as_much_as_the_highest() {
        let dear = HASH.replace("$04$", "$12$");
        let users = BTreeMap::from([("a".into(), SecretString::from(HASH)), ("b".into(), SecretString::from(dear))]);
        assert!(unknown_user_hash(&users).expose_secret().starts_with("$2y$12$"));
        assert!(!bcrypt::verify("", unknown_user_hash(&self::users()).expose_secret()).unwrap());
    }

    #[test]
    fn cache_of_wrong_passwords_is_bounded() {
        let mut recent = Recent::default();
        (0..10_000).for_each(|nth| recent.insert(nth));
        assert_eq!((recent.known.len(), recent.order.len()), (MAX_PASSWORDS_REMEMBERED, MAX_PASSWORDS_REMEMBERED));
    }
}
