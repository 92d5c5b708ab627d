//! The format in which a cache survives a restart. Pure.
//!
//! A version byte; the query; the boundaries and what is known of the server; state names; and per agent its id, when it was
//! read, and its history. Numbers have variable length; texts and lists begin with their length. Storage has a checksum; the
//! content is validated here all the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::CachedAgent;
use crate::config::{QueryKey, Tenant};
use crate::presence::varint::{self, Bytes};
use crate::presence::{AgentId, BucketBoundaries, BucketHistory, MAX_TEXT_BYTES, Micros, StateName, Timestamp};

/// The only version that is written and read. The content is worth one full refresh.
const VERSION: u8 = 1;

/// The limit of state names: many times what one agent may have. This exporter writes no file with more.
const MAX_NAMES: usize = 1 << 16;

/// The bits of the flags.
const CUTS: u8 = 2;
const SINCE: u8 = 4;

/// The content of a cache file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CacheFile {
    pub(super) boundaries: BucketBoundaries,
    pub(super) since: Option<Timestamp>,
    pub(super) cuts: bool,
    pub(crate) known: Vec<(AgentId, CachedAgent)>,
}

// === impl CacheFile ===

impl CacheFile {
    /// Encodes the file for the query of `tenant`.
    pub(crate) fn write(&self, tenant: &Tenant) -> Vec<u8> {
        let mut names: Vec<StateName> = Vec::new();
        let mut numbers: HashMap<StateName, u64> = HashMap::new();
        let mut agents = Vec::new();
        for (agent, CachedAgent { history, full_at, read_at }) in &self.known {
            push_text(&mut agents, agent);
            push_time(&mut agents, *full_at);
            push_time(&mut agents, *read_at);
            history.write_to(&mut agents, |name| {
                *numbers.entry(Arc::clone(name)).or_insert_with(|| {
                    names.push(Arc::clone(name));
                    count(names.len() - 1)
                })
            });
        }
        let mut bytes = vec![VERSION];
        push_text(&mut bytes, &query_text(tenant));
        // The interval is part of the query, so one boundary identifies all.
        push_time(&mut bytes, self.boundaries.ceil(Timestamp::from_micros(0)));
        let flags = [(self.cuts, CUTS), (self.since.is_some(), SINCE)];
        bytes.push(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
        push_time(&mut bytes, self.since.unwrap_or(Timestamp::from_micros(0)));
        varint::push(&mut bytes, count(names.len()));
        names.iter().for_each(|name| push_text(&mut bytes, name));
        varint::push(&mut bytes, count(self.known.len()));
        bytes.extend_from_slice(&agents);
        bytes
    }

    /// Decodes the agents of `tenant`; `None` if the bytes are damaged, of another version or for another query.
    pub(crate) fn read(bytes: &[u8], tenant: &Tenant) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        if bytes.byte()? != VERSION || text(&mut bytes)? != query_text(tenant) {
            return None;
        }
        let boundaries = BucketBoundaries::new(tenant.query.interval.length).through(time(&mut bytes)?);
        let flags = bytes.byte()?;
        let since = Some(time(&mut bytes)?).filter(|_| flags & SINCE != 0);
        let names = usize::try_from(bytes.varint()?).ok().filter(|names| *names <= MAX_NAMES)?;
        let name = |bytes: &mut Bytes<'_>| {
            let name = text(bytes)?;
            (!name.is_empty() && name.len() <= MAX_TEXT_BYTES).then(|| StateName::from(name))
        };
        let names: Vec<StateName> = (0..names).map(|_| name(&mut bytes)).collect::<Option<_>>()?;
        let wanted: HashSet<&AgentId> = tenant.agents.iter().map(|agent| &agent.id).collect();
        let mut known = Vec::new();
        for _ in 0..bytes.varint()? {
            let agent = text(&mut bytes)?;
            let (full_at, read_at) = (time(&mut bytes)?, time(&mut bytes)?);
            let history = Arc::new(BucketHistory::read_from(&mut bytes, boundaries, &names)?);
            if let Some(&agent) = wanted.get(&AgentId::from(agent)) {
                known.push((Arc::clone(agent), CachedAgent { history, full_at, read_at }));
            }
        }
        let cuts = flags & CUTS != 0;
        bytes.0.is_empty().then_some(Self { boundaries, since, cuts, known })
    }
}

/// The query that the buckets belong to. Buckets of one query are not valid for another.
pub(crate) fn query_text(tenant: &Tenant) -> String {
    let settle = tenant.query.incremental.map(|incremental| Micros::from(incremental.settle).get());
    format!("{:?} {settle:?}", QueryKey::of(tenant))
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    varint::push(bytes, count(text.len()));
    bytes.extend_from_slice(text.as_bytes());
}

fn push_time(bytes: &mut Vec<u8>, time: Timestamp) {
    varint::push(bytes, time.micros().cast_unsigned());
}

fn text<'a>(bytes: &mut Bytes<'a>) -> Option<&'a str> {
    let length = usize::try_from(bytes.varint()?).ok()?;
    std::str::from_utf8(bytes.take(length)?).ok()
}

fn time(bytes: &mut Bytes<'_>) -> Option<Timestamp> {
    Some(Timestamp::from_micros(bytes.varint()?.cast_signed()))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{Config, Incremental};
    use crate::presence::{BucketQuery, IncrementalTally, Tally, WatchedAgent, Window};

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    pub(crate) fn tenant() -> Tenant {
        let variable = |name: &str| match name {
            "CXONE_TENANT_DOMAIN" => Some("acme.example.com".to_owned()),
            "CXONE_CLIENT_ID" | "CXONE_CLIENT_SECRET" => Some("x".to_owned()),
            "CXONE_AGENT_IDS" => Some("1,2,3,a,b,c,d".to_owned()),
            "CXONE_INTERVAL" => Some("PT1H".to_owned()),
            _ => None,
        };
        let config = Config::from_environment(&variable, Path::new("/nowhere")).unwrap();
        let settings =
            Incremental { settle: Duration::from_secs(1800), full_refresh_interval: Duration::from_secs(21_600) };
        let mut tenant = Tenant::clone(&config.tenants[0]);
        tenant.query.incremental = Some(settings);
        tenant
    }

    /// The histories of hours in which agents were in `states`.
    fn file(states: &[u64], phase: i64) -> CacheFile {
        let window = Window::ending_at(NOW, Duration::from_secs(86_400));
        let boundaries = BucketBoundaries::new(Duration::from_secs(3600)).through(Timestamp::from_seconds(phase));
        let agents: Vec<_> =
            ["1", "2", "gone"].map(|id| WatchedAgent { id: id.into(), schedule: None }).into_iter().collect();
        let start = boundaries.floor(window.start);
        let query = BucketQuery { boundaries, range: Window { start, end: window.end } };
        let mut tally = Tally::new(window, agents.clone(), [].into(), &[]);
        for (hour, state) in (0_u32..).zip(states) {
            let agent = tally.agent(["1", "2", "gone"][usize::try_from(state % 3).unwrap()]);
            let name = tally.state_named(["Busy", "休憩", "x"][usize::try_from(state / 3 % 3).unwrap()]);
            tally.state(Some(name), Ok(Micros::new(*state)));
            let start = start + Duration::from_secs(3600) * hour;
            tally.bucket(agent, Some(start), Some(start + Duration::from_secs(3600)));
        }
        let outcome = IncrementalTally::new(tally, query).finish(&[], boundaries.floor(NOW));
        let known = |history: Option<BucketHistory>| CachedAgent {
            history: Arc::new(history.unwrap()),
            full_at: NOW,
            read_at: NOW,
        };
        let known = agents.iter().map(|agent| agent.id.clone()).zip(outcome.histories.into_iter().map(known)).collect();
        CacheFile { boundaries, since: Some(NOW), cuts: phase % 3 == 0, known }
    }

    fn drawn() -> impl Strategy<Value = (Vec<u64>, i64)> {
        (prop::collection::vec(0..4_000_000_000_u64, 0..24), 0..3600_i64)
    }

    proptest! {
        #[test]
        fn cache_file_round_trips_without_removed_agents((states, phase) in drawn()) {
            let written = file(&states, phase);
            let read = CacheFile::read(&written.write(&tenant()), &tenant()).unwrap();
            let stay = written.known.into_iter().filter(|(agent, _)| **agent != *"gone").collect();
            prop_assert_eq!(read, CacheFile { known: stay, ..written });
        }

        #[test]
        fn damaged_cache_files_are_refused_or_valid(
            (states, phase) in drawn(),
            at: prop::sample::Index,
            change in prop_oneof![(1..=255_u8).prop_map(Some), Just(None)],
        ) {
            let mut bytes = file(&states, phase).write(&tenant());
            let at = at.index(bytes.len());
            match change {
                Some(change) => bytes[at] ^= change,
                None => bytes.truncate(at),
            }
            let read = CacheFile::read(&bytes, &tenant());
            prop_assert!(change.is_some() || read.is_none());
            for (_, known) in read.into_iter().flat_map(|read| read.known) {
                prop_assert!(known.history.bytes() < 10_000);
            }
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = CacheFile::read(&bytes, &tenant());
            let query = query_text(&tenant());
            let mut ours = vec![VERSION];
            push_text(&mut ours, &query);
            let _ = CacheFile::read(&[ours, bytes].concat(), &tenant());
        }
    }

    #[test]
    fn cache_file_of_another_query_is_refused() {
        let bytes = file(&[1, 2, 3], 0).write(&tenant());
        let changes: [fn(&mut Tenant); 7] = [
            |tenant| tenant.connection.base_url = "https://other.example.com".parse().unwrap(),
            |tenant| tenant.connection.client_id = "other".to_owned(),
            |tenant| tenant.query.window *= 2,
            |tenant| tenant.query.interval.length *= 2,
            |tenant| tenant.query.states = vec!["Busy".into()],
            |tenant| drop(tenant.states.map.insert("Busy".into(), "Talking".into())),
            |tenant| tenant.query.incremental.as_mut().unwrap().settle *= 2,
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            let mut other = tenant();
            change(&mut other);
            assert_eq!(CacheFile::read(&bytes, &other), None, "{nth}");
        }
        let later = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(CacheFile::read(&later, &tenant()), None);
        let mut other = tenant();
        other.limits.cooldown = Duration::from_secs(1);
        assert!(CacheFile::read(&bytes, &other).is_some());
    }
}
