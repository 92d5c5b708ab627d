//! Counting with buckets that an earlier read brought, and keeping those that are over for the next one.
//!
//! Kept buckets go through the same rules as those that are read, as they were reported, so it makes no difference to the
//! count which of the two a bucket is. What was rejected of them was counted as such when it came.

use super::Tally;
use super::TallyOutcome;
use crate::presence::buckets::agent_index::AgentIndex;
use crate::presence::buckets::boundaries::BucketBoundaries;
use crate::presence::buckets::history::{BucketHistory, Packer};
use crate::presence::buckets::store::{Entry, Share};
use crate::presence::state_names::StateIndex;
use crate::presence::{Timestamp, Window};

/// What is asked for, as far as buckets are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Where buckets are expected to begin and end.
    pub grid: BucketBoundaries,
    /// The range; it begins on a line of the grid, within the window or a step before it.
    pub range: Window,
}

/// What a tally that keeps buckets came to.
#[derive(Debug)]
pub struct KeptOutcome {
    /// What was counted.
    pub counted: TallyOutcome,
    /// Per agent, what is kept; `None` where it was reported in a way that cannot be, so all of it has to be asked for
    /// again.
    pub histories: Vec<Option<BucketHistory>>,
    /// Whether a bucket came that begins before what was asked for: what was recalled may no longer be what the server
    /// has, and the count is not to be relied on.
    pub doubt: bool,
    /// The grid that buckets lie on, where it is another than was expected for all agents.
    pub shifted: Option<BucketBoundaries>,
    /// Whether the server cuts buckets at the end of what is asked for, as far as that could be seen.
    pub cuts: Option<bool>,
    /// Whether it did so at the beginning as well, where that was asked for with [`Tally::head`].
    pub head_fits: Option<bool>,
}

/// What a tally needs beside its buckets to keep them. Offsets are those of shares in the store.
#[derive(Debug)]
pub(super) struct Keeping {
    asked: Asked,
    /// Buckets before were recalled, others were read.
    read_from: usize,
    /// Buckets from here on answer the question what the window's first, partial bucket holds, which is this span.
    head: Option<(usize, Window)>,
    /// The shares of buckets that had to be scaled as they came in, as they were before; in order.
    originals: Vec<(usize, Box<[Share]>)>,
}

/// What is seen of one agent's buckets as they are packed.
#[derive(Debug, Default)]
struct Seen {
    irregular: bool,
    doubt: bool,
    off_grid: Option<Timestamp>,
}

// === impl Tally ===

impl Tally {
    /// Keeps buckets besides counting them.
    #[must_use]
    pub fn keeping(mut self, asked: Asked) -> Self {
        self.keeping = Some(Box::new(Keeping { asked, read_from: 0, head: None, originals: Vec::new() }));
        self
    }

    /// Takes up what is kept of the agent at `agent`, in the order the tally was given them, as far as it is not asked
    /// for again. Pages come after that.
    pub fn replay(&mut self, agent: usize, history: &BucketHistory) {
        let Some(Asked { range, .. }) = self.keeping.as_ref().map(|keeping| keeping.asked) else { return };
        let states: Vec<StateIndex> = history.names().iter().map(|name| self.names.restore(name)).collect();
        let (mut buckets, mut shares) = (history.read(), Vec::new());
        while let Some(span) = buckets.next(&mut shares).filter(|span| span.end <= range.start) {
            let Some(inside) = span.intersection(self.window) else { continue };
            for &(state, time) in &shares {
                if let Some(&state) = states.get(state) {
                    self.store.push(Share { state, time });
                }
            }
            self.place(AgentIndex(agent), span, inside);
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.read_from = self.store.open();
        }
    }

    /// Whether the server cuts buckets at the end of what was asked for, as far as what came so far tells.
    pub fn cuts(&self) -> Option<bool> {
        let keeping = self.keeping.as_deref()?;
        let agents = 0..self.agents.as_slice().len();
        let newest = agents.filter_map(|agent| {
            self.store.entries_of(agent).filter(|entry| keeping.is_read(entry)).max_by_key(|entry| entry.span.end)
        });
        keeping.tells_of_cuts(newest)
    }

    /// From here on, pages tell of `head`, the part of the window's first bucket that is inside. Where they do, and of
    /// nothing else, that is what counts of this bucket, instead of a share of all of it.
    pub fn head(&mut self, head: Window) {
        let from = self.store.open();
        if let Some(keeping) = &mut self.keeping {
            keeping.head = Some((from, head));
        }
    }

    /// Counts it all, and keeps what is over by `until`, which is a line of the grid.
    pub fn finish_keeping(mut self, until: Timestamp) -> KeptOutcome {
        self.store.discard_open();
        let agents = self.agents.as_slice().len();
        let mut outcome = KeptOutcome {
            counted: TallyOutcome::default(),
            histories: Vec::with_capacity(agents),
            doubt: false,
            shifted: None,
            cuts: self.cuts(),
            head_fits: None,
        };
        let Some(keeping) = self.keeping.take() else {
            outcome.histories.resize(agents, None);
            outcome.counted = self.finish();
            return outcome;
        };
        let grid = keeping.asked.grid;
        let mut packer = Packer::new(grid);
        let (mut regular, mut off_grid, mut entries) = (false, None, Vec::new());
        for agent in 0..agents {
            entries.clear();
            entries.extend(self.store.entries_of(agent).filter(|entry| !keeping.is_head(entry)));
            entries.sort_unstable_by_key(|entry: &Entry| (entry.span.start, entry.span.end));
            let seen = self.pack(&keeping, &entries, until, &mut packer);
            regular |= !entries.is_empty() && seen.off_grid.is_none();
            off_grid = off_grid.or(seen.off_grid);
            outcome.doubt |= seen.doubt;
            let history = if seen.irregular { None } else { packer.finish(until, self.names.as_slice()) };
            packer.clear();
            outcome.histories.push(history);
        }
        outcome.shifted = off_grid.filter(|_| !regular).map(|line| grid.through(line));
        outcome.head_fits = self.settle_head(&keeping);
        outcome.counted = self.finish();
        outcome
    }

    /// Packs the buckets of one agent, which are in order, as far as they are over by `until`.
    fn pack(&self, keeping: &Keeping, entries: &[Entry], until: Timestamp, packer: &mut Packer) -> Seen {
        let Asked { grid, range } = keeping.asked;
        // What begins later is asked for again in any case, so it may be as it likes.
        let matters = |start: Timestamp| start < until;
        let is_tail = range.start > self.window.start;
        let mut seen = Seen::default();
        let mut before: Option<&Entry> = None;
        for entry in entries {
            let Window { start, end } = entry.span;
            seen.doubt |= is_tail && keeping.is_read(entry) && start < range.start;
            if !grid.is_cell(entry.span) {
                seen.irregular |= matters(start);
                if end == grid.next(start) {
                    seen.off_grid = seen.off_grid.or(Some(start));
                }
            }
            if let Some(before) = before.replace(entry)
                && before.span.end > start
            {
                // Of those that disagree, which one counts depends on how much of it is in the window.
                let repeated = before.span == entry.span && keeping.shares(self, before) == keeping.shares(self, entry);
                seen.irregular |= !repeated && matters(before.span.start);
                continue;
            }
            if end <= until && !seen.irregular {
                packer.push(start, keeping.shares(self, entry));
            }
        }
        seen
    }

    /// Lets what was read of the window's first bucket count instead of a share of it, or not at all where it was not read
    /// as was meant. Which of the two it is.
    fn settle_head(&mut self, keeping: &Keeping) -> Option<bool> {
        let (_, head) = keeping.head?;
        let agents = 0..self.agents.as_slice().len();
        let fits =
            |entry: &Entry| !keeping.is_head(entry) || (head.start <= entry.span.start && entry.span.end <= head.end);
        let all_fit = agents.clone().all(|agent| self.store.entries_of(agent).all(|entry| fits(&entry)));
        for agent in agents {
            let is_whole = |entry: &Entry| entry.span.start < head.start;
            self.store.forget(agent, |entry| if all_fit { is_whole(entry) } else { keeping.is_head(entry) });
        }
        Some(all_fit)
    }
}

// === impl Keeping ===

impl Keeping {
    /// Notes shares that are about to be scaled.
    pub(super) fn note_original(&mut self, first_share: usize, shares: &[Share]) {
        self.originals.push((first_share, shares.into()));
    }

    /// Forgets the originals of buckets that were taken back; those that stay end before `open`.
    pub(super) fn roll_back(&mut self, open: usize) {
        while self.originals.pop_if(|(first_share, _)| *first_share >= open).is_some() {}
    }

    fn is_read(&self, entry: &Entry) -> bool {
        entry.shares.start >= self.read_from && !self.is_head(entry)
    }

    fn is_head(&self, entry: &Entry) -> bool {
        self.head.is_some_and(|(from, _)| entry.shares.start >= from)
    }

    /// The shares of a bucket as they were reported.
    fn shares<'a>(&'a self, tally: &'a Tally, entry: &Entry) -> &'a [Share] {
        match self.originals.binary_search_by_key(&entry.shares.start, |(first_share, _)| *first_share) {
            Ok(at) => self.originals.get(at).map(|(_, shares)| &**shares).unwrap_or_default(),
            Err(_) => tally.store.shares(entry),
        }
    }

    /// Whether buckets are cut at the end of the range, by the newest of each agent.
    fn tells_of_cuts(&self, newest: impl Iterator<Item = Entry>) -> Option<bool> {
        let Asked { grid, range } = self.asked;
        if grid.has(range.end) {
            // Here a bucket ends in any case.
            return None;
        }
        let mut newest = newest.filter(|entry| grid.has(entry.span.start)).map(|entry| entry.span.end);
        newest.find(|end| *end >= range.end).map(|end| end == range.end)
    }
}
