//! Divides the agents and request budgets of every tenant among several exporters (shards).
//!
//! An agent's shard depends only on its id and the number of shards, so shards need no communication. The algorithm must
//! not change between versions: the 64-bit FNV-1a hash of the id's UTF-8 bytes, then jump consistent hashing (Lamping and
//! Veach, 2014) in integers. A change of the number of shards moves only agents of added or removed shards.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hasher as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use fnv::FnvHasher;
use thiserror::Error;

use super::diagnostics::{Diagnostics, Problem};
use super::{Config, ConfigError, RefreshLimits, Tenant};
use crate::presence::AgentId;

/// The most shards. Each has a process, a scrape job and, without a budget, requests of its own.
const MAX_SHARDS: u32 = 1_000;

/// The multiplier of the random number generator in jump consistent hashing.
const JUMP_MULTIPLIER: u64 = 2_862_933_555_777_941_757;

/// The index of this process among the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: NonZeroU32,
}

/// One shard's share of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The shard that the tenant's agents belong to.
    pub shard: Shard,
    /// Configured agents of other shards, which `agents: all` must not select.
    pub(super) elsewhere: Arc<HashSet<AgentId>>,
}

/// An invalid shard index or total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShardError {
    /// The number of shards is out of range.
    #[error("{0} is not a number of shards; there are 1 to {MAX_SHARDS}")]
    Total(u32),
    /// The index is beyond the last one.
    #[error("there is no shard {index} among {total}: they are counted from 0, so the last one is {last}", last = total.get() - 1)]
    Index {
        /// The index.
        index: u32,
        /// How many shards there are.
        total: NonZeroU32,
    },
}

// === impl Shard ===

impl Shard {
    /// The shard `index`, from 0, of `total`.
    ///
    /// # Errors
    ///
    /// When index or total is out of range.
    pub fn new(index: u32, total: u32) -> Result<Self, ShardError> {
        let total = NonZeroU32::new(total).filter(|total| total.get() <= MAX_SHARDS).ok_or(ShardError::Total(total))?;
        if index < total.get() { Ok(Self { index, total }) } else { Err(ShardError::Index { index, total }) }
    }

    /// Which shard this is, from 0.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many shards there are.
    pub const fn total(self) -> u32 {
        self.total.get()
    }

    /// Whether the agent belongs to this shard. Each agent belongs to exactly one shard.
    pub fn owns(self, agent: &str) -> bool {
        shard_of(agent, self.total()) == self.index
    }

    /// This shard's part of `amount`; the parts of all shards sum to it. `None` for zero.
    fn part_of(self, amount: NonZeroU32) -> Option<NonZeroU32> {
        let (each, rest) = (amount.get() / self.total, amount.get() % self.total);
        NonZeroU32::new(each + u32::from(self.index < rest))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}, counted from 0", self.index, self.total)
    }
}

/// The shard, among `total`, that an agent belongs to.
fn shard_of(agent: &str, total: u32) -> u32 {
    jump(fnv_1a(agent), total)
}

/// The 64-bit FNV-1a hash of the UTF-8 bytes of `text`.
fn fnv_1a(text: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Jump consistent hashing, in integers instead of the original's floating point, which would round.
fn jump(mut key: u64, total: u32) -> u32 {
    let (mut shard, mut next) = (0, 0);
    while next < u64::from(total) {
        shard = next;
        key = key.wrapping_mul(JUMP_MULTIPLIER).wrapping_add(1);
        next = ((shard + 1) << 31) / ((key >> 33) + 1);
    }
    // The result is below `total`.
    u32::try_from(shard).unwrap_or_default()
}

// === impl Config ===

impl Config {
    /// This configuration with the agents and the budget parts of `shard`.
    ///
    /// # Errors
    ///
    /// When a budget has fewer requests than there are shards.
    pub fn of_shard(self, shard: Shard) -> Result<Self, ConfigError> {
        let mut diagnostics = Diagnostics::default();
        let flag = diagnostics.add_source("--shard.total");
        let mut tenants = Vec::with_capacity(self.tenants.len());
        for (nth, tenant) in self.tenants.iter().enumerate() {
            let budget = tenant.limits.max_requests_per_minute;
            let part = budget.and_then(|budget| shard.part_of(budget));
            if let Some(budget) = budget.filter(|budget| *budget < shard.total) {
                let total = shard.total;
                let message = format!("{budget} requests a minute cannot be shared by {total} shards");
                let remedy = format!("write at least {total}, have fewer shards, or leave it out");
                let key = format!("tenants[{nth}].max_requests_per_minute");
                diagnostics.error(flag, key, Problem::new(message, remedy));
            }
            tenants.push(Arc::new(tenant.of_shard(shard, part)));
        }
        diagnostics.finish(Self { tenants, ..self.clone() }).map(|config| Self { warnings: self.warnings, ..config })
    }
}

// === impl Tenant ===

impl Tenant {
    fn of_shard(&self, shard: Shard, max_requests_per_minute: Option<NonZeroU32>) -> Self {
        let (agents, others): (Vec<_>, Vec<_>) = self.agents.iter().cloned().partition(|agent| shard.owns(&agent.id));
        let others = others.into_iter().filter(|_| self.agent_filter.is_some()).map(|agent| agent.id);
        let share = Some(Share { shard, elsewhere: Arc::new(others.collect()) });
        let limits = RefreshLimits { max_requests_per_minute, ..self.limits };
        Self { agents, share, limits, ..self.clone() }
    }

    /// The shard of this tenant's agents, if configured.
    pub fn shard(&self) -> Option<Shard> {
        self.share.as_ref().map(|share| share.shard)
    }

    /// The shard, if there is more than one in total.
    pub fn shard_among_others(&self) -> Option<Shard> {
        self.shard().filter(|shard| shard.total() > 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids and their shards among 1, 2, 3, 4, 8 and 1,000. If these changed, exporters of two versions would omit or
    /// duplicate agents.
    const GOLDEN: &[(&str, [u32; 6])] = &[
        ("", [0, 1, 1, 1, 1, 266]),
        ("1", [0, 1, 2, 2, 2, 595]),
        ("42", [0, 1, 1, 1, 4, 42]),
        ("4711", [0, 1, 2, 2, 2, 293]),
        ("1234567890123456789", [0, 0, 0, 0, 7, 60]),
        ("5543626829761803399", [0, 1, 1, 1, 6, 47]),
        ("agent-7", [0, 0, 0, 0, 7, 360]),
        ("Ä-ü", [0, 0, 0, 0, 0, 810]),
        ("a8098c1a-f86e-11da-bd1a-00112444be1e", [0, 1, 1, 1, 7, 963]),
    ];

    #[test]
    fn fnv_1a_known_vectors() {
        // From the test vectors of the algorithm's authors.
        for (text, expected) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv_1a(text), expected, "{text}");
        }
    }

    #[test]
    fn shard_assignment_known_vectors() {
        // Computed by an independent implementation in Python.
        for (id, shards) in GOLDEN {
            let found = [1, 2, 3, 4, 8, 1_000].map(|total| shard_of(id, total));
            assert_eq!(found, *shards, "{id}");
        }
    }

    #[test]
    fn shard_keeps_the_warnings_of_the_configuration() {
        let warnings = vec!["cxone.yml:1: a warning".to_owned()];
        let config = Config { tenants: Vec::new(), schedules: Default::default(), warnings: warnings.clone() };
        assert_eq!(config.of_shard(Shard::new(0, 2).unwrap()).unwrap().warnings, warnings);
    }

    #[test]
    fn shard_index_and_total_bounds() {
        assert!(Shard::new(3, 4).is_ok() && Shard::new(0, 1).is_ok());
        for (index, total, words) in [
            (0, 0, "0 is not a number of shards"),
            (0, 1_001, "1001 is not a number of shards"),
            (4, 4, "there is no shard 4 among 4: they are counted from 0, so the last one is 3"),
        ] {
            assert!(Shard::new(index, total).unwrap_err().to_string().contains(words), "{index} of {total}");
        }
    }

    #[test]
    fn shards_are_evenly_sized_for_all_id_shapes() {
        type Ids = fn(u32) -> String;
        let kinds: [(&str, Ids); 4] = [
            ("counted", |nth| nth.to_string()),
            ("counted in twos", |nth| (nth * 2).to_string()),
            ("long", |nth| (1_234_567_890_123_456_789 + u64::from(nth)).to_string()),
            ("words", |nth| format!("agent-{nth}@example.com")),
        ];
        for (kind, id) in kinds {
            for total in [2_u32, 3, 4, 7, 16] {
                let mut counts = vec![0_u32; usize::try_from(total).unwrap()];
                for nth in 0..30_000 {
                    counts[usize::try_from(shard_of(&id(nth), total)).unwrap()] += 1;
                }
                let even = 30_000 / total;
                assert!(counts.iter().all(|count| count.abs_diff(even) < even / 10), "{kind}: {counts:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn agent_belongs_to_exactly_one_shard(id in "\\PC{1,40}", total in 1_u32..=64) {
            let owners = (0..total).filter(|index| Shard::new(*index, total).unwrap().owns(&id)).count();
            prop_assert_eq!(owners, 1);
        }

        #[test]
        fn one_more_shard_moves_agents_only_to_it(id in "[0-9]{1,19}", total in 1_u32..200) {
            let (before, after) = (shard_of(&id, total), shard_of(&id, total + 1));
            prop_assert!(after == before || after == total, "{} to {} of {}", before, after, total + 1);
        }

        #[test]
        fn shard_budgets_sum_to_the_tenant_budget(amount in 1_u32..10_000, total in 1_u32..100) {
            let amount = NonZeroU32::new(amount).unwrap();
            let parts: Vec<u32> = (0..total)
                .map(|index| Shard::new(index, total).unwrap().part_of(amount).map_or(0, NonZeroU32::get))
                .collect();
            prop_assert_eq!(parts.iter().sum::<u32>(), amount.get());
            prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }
}
