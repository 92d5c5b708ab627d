//! Reasons for which input is rejected, with counters.

/// Why a part of the input was rejected: the values of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// A duration below zero.
    Negative,
    /// A duration that is not a finite number.
    NotFinite,
    /// A bucket of an agent that was not requested, or without an agent.
    UnknownAgent,
    /// A bucket without a readable start and a later end.
    BadTime,
    /// A bucket that does not touch the window.
    OutsideWindow,
    /// A bucket with the agent, start and end of an earlier one.
    Duplicate,
    /// A bucket that shares time with an earlier one; only the rest of it counts.
    Overlap,
    /// A bucket with more seconds than its length; they are scaled down to it.
    OverLength,
    /// A record of more than are kept.
    TooMany,
    /// A record that cannot be read: a value has the wrong type, or a field is there twice.
    Malformed,
}

/// The number of times of each [`Rejection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejections([u64; Rejection::ALL.len()]);

// === impl Rejection ===

impl Rejection {
    /// Every reason, in the order of the exposition.
    pub const ALL: [Self; 10] = [
        Self::Negative,
        Self::NotFinite,
        Self::UnknownAgent,
        Self::BadTime,
        Self::OutsideWindow,
        Self::Duplicate,
        Self::Overlap,
        Self::OverLength,
        Self::TooMany,
        Self::Malformed,
    ];

    /// The value of the label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::NotFinite => "not_finite",
            Self::UnknownAgent => "unknown_agent",
            Self::BadTime => "bad_time",
            Self::OutsideWindow => "outside_window",
            Self::Duplicate => "duplicate",
            Self::Overlap => "overlap",
            Self::OverLength => "over_length",
            Self::TooMany => "too_many",
            Self::Malformed => "malformed",
        }
    }
}

// === impl Rejections ===

impl Rejections {
    /// Counts `reason` once.
    #[allow(clippy::indexing_slicing, reason = "there is a place for every reason, as the test below shows")]
    pub fn add(&mut self, reason: Rejection) {
        self.0[reason as usize] += 1;
    }

    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Rejection, u64)> + '_ {
        Rejection::ALL.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_reason_has_its_own_counter() {
        for (at, reason) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            let mut counts = Rejections::default();
            counts.add(reason);
            counts.merge(&counts.clone());
            let counted: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [(reason, 2)]);
        }
    }
}
