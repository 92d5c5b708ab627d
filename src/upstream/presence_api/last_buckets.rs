//! Answers that lack what earlier answers had. Pure.
//!
//! A 200 without buckets is how the API says that agents had no presence, and what a broken server sends as well. A bucket that
//! was reported once stays in its window, so an answer without any bucket from there on is short, however quiet the agents are
//! since: a quiet night ends no bucket that was reported before it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::presence::{AgentId, Timestamp, WatchedAgent, Window};
use crate::upstream::failure::Failure;
use crate::upstream::{Endpoint, ErrorKind};

/// How often a batch fails for an agent whose buckets are gone while those of others are there, or that is the only one with
/// buckets: as often as other lists that end early are refused. After that it was more likely removed in CXone.
const MAX_SHORT_ANSWERS: u32 = 3;

/// The last bucket of each agent.
#[derive(Debug, Default)]
pub(super) struct LastBuckets(HashMap<AgentId, LastBucket>);

#[derive(Debug)]
struct LastBucket {
    start: Timestamp,
    /// The number of consecutive answers without it.
    missed: u32,
}

// === impl LastBuckets ===

impl LastBuckets {
    /// Checks an answer for `range`, whose last bucket of each of `agents` is `answered`. Returns which agents' buckets must be
    /// requested again: all if there are none, as nothing shows that such an answer is complete, and the agents whose last
    /// bucket is gone.
    ///
    /// # Errors
    ///
    /// The last buckets of all agents that had some in `range` are gone, or those of some, or of a single one, for the first few
    /// times.
    pub(super) fn check(
        &mut self,
        agents: &[WatchedAgent],
        answered: &[Option<Window>],
        range: Window,
    ) -> Result<Vec<bool>, Failure> {
        let (mut expected, mut short, mut is_new) = (0_usize, vec![false; agents.len()], false);
        for ((agent, answered), short) in agents.iter().zip(answered).zip(&mut short) {
            let Some(last) = self.0.get_mut(&agent.id) else { continue };
            if last.start < range.start || last.start >= range.end {
                continue;
            }
            expected += 1;
            // The same time may be in a bucket with other boundaries, which ends after it.
            if answered.is_none_or(|answered| answered.end <= last.start) {
                last.missed = last.missed.saturating_add(1);
                is_new |= last.missed <= MAX_SHORT_ANSWERS;
                *short = true;
            }
        }
        let missing = short.iter().filter(|short| **short).count();
        if missing > 0 && (is_new || (missing == expected && expected > 1)) {
            let message = format!(
                "The answer lacks buckets that earlier answers had, of {missing} of {expected} agents. Their last data stays \
                 until CXone reports them again."
            );
            return Err(Failure::new(Endpoint::Presence, ErrorKind::Decode, message));
        }
        for ((agent, answered), short) in agents.iter().zip(answered).zip(&short) {
            if let Some(answered) = answered.filter(|_| !short) {
                self.0.insert(Arc::clone(&agent.id), LastBucket { start: answered.start, missed: 0 });
            }
        }
        if answered.iter().all(Option::is_none) {
            short.fill(true);
        }
        Ok(short)
    }

    /// Drops buckets that have left `window`.
    pub(super) fn retain_in(&mut self, window: Window) {
        self.0.retain(|_, last| last.start >= window.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + hours * HOUR)
    }

    fn range(from: i64, to: i64) -> Window {
        Window { start: at(from), end: at(to) }
    }

    /// The checks of answers in which each agent's last bucket starts at the given hour, if it has one.
    fn check(last: &mut LastBuckets, range: Window, starts: &[Option<i64>]) -> Option<Vec<bool>> {
        let agents: Vec<_> =
            (0..starts.len()).map(|id| WatchedAgent { id: id.to_string().into(), schedule: None }).collect();
        let bucket = |hour: &Option<i64>| hour.map(|hour| Window { start: at(hour), end: at(hour + 1) });
        last.check(&agents, &starts.iter().map(bucket).collect::<Vec<_>>(), range).ok()
    }

    #[test]
    fn an_empty_answer_fails_while_a_known_bucket_is_in_its_range() {
        let mut last = LastBuckets::default();
        assert_eq!(check(&mut last, range(0, 24), &[None, None]), Some(vec![true; 2]), "nothing is known");
        assert_eq!(check(&mut last, range(0, 24), &[Some(23), Some(23)]), Some(vec![false; 2]));
        for _ in 0..10 {
            assert_eq!(check(&mut last, range(22, 24), &[None, None]), None);
            assert_eq!(check(&mut last, range(22, 24), &[Some(22), Some(22)]), None, "earlier buckets");
        }
        assert_eq!(check(&mut last, range(24, 25), &[None, None]), Some(vec![true; 2]), "a quiet night");
        assert_eq!(check(&mut last, range(1, 23), &[Some(22), None]), Some(vec![false; 2]), "the clock was set back");
        last.retain_in(range(23, 47));
        assert_eq!(check(&mut last, range(0, 47), &[None, None]), Some(vec![true; 2]));
    }

    #[test]
    fn one_agent_without_its_buckets_is_believed_the_fourth_time() {
        // Beside another agent, and as the only one that had any.
        for (other, again) in [(Some(23), false), (None, true)] {
            let mut last = LastBuckets::default();
            assert_eq!(check(&mut last, range(0, 24), &[other, Some(23)]), Some(vec![false; 2]));
            let gone = |last: &mut LastBuckets| check(last, range(22, 24), &[other, None]);
            assert_eq!([gone(&mut last), gone(&mut last), gone(&mut last)], [None, None, None]);
            assert_eq!(gone(&mut last), Some(vec![again, true]), "believed, and requested again");
            assert_eq!(check(&mut last, range(22, 24), &[other, Some(23)]), Some(vec![false; 2]));
            assert_eq!(gone(&mut last), None, "counted from the start");
        }
    }
}
