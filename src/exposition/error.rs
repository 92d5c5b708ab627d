//! The samples that were left out of a block, with reasons.

use thiserror::Error;

/// Why a family or a sample cannot be exposed: it would make the whole document invalid.
///
/// The message names families and labels, never label values, which can be names of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExpositionError {
    /// The family's name, unit or labels are not allowed.
    #[error("the family {family} cannot be exposed: {fault}; its definition has to be changed")]
    InvalidFamily {
        /// The family's name.
        family: &'static str,
        /// The rule that it breaks.
        fault: &'static str,
    },
    /// A sample has more or fewer label values than its family has labels.
    #[error("a sample of {family} was left out, as it has {got} label values where {expected} are needed")]
    LabelCount {
        /// The family's name.
        family: &'static str,
        /// How many labels the family has.
        expected: usize,
        /// How many values the sample had.
        got: usize,
    },
    /// The family has a sample with the same label values.
    #[error("a sample of {family} was left out, as the family has one with the same label values")]
    SampleTwice {
        /// The family's name.
        family: &'static str,
    },
    /// A plain sample in a histogram family, or a histogram in another family.
    #[error("a sample of {family} was left out, as it is of another kind than the family")]
    WrongKind {
        /// The family's name.
        family: &'static str,
    },
    /// A histogram whose bounds or cumulative counts do not rise.
    #[error("a histogram of {family} was left out, as its bounds or its counts do not rise")]
    BucketOrder {
        /// The family's name.
        family: &'static str,
    },
}

/// The samples that were left out of one block, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut(Vec<(ExpositionError, u64)>);

// === impl ExpositionError ===

impl ExpositionError {
    /// The value of the label `reason`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::InvalidFamily { .. } => "invalid_family",
            Self::LabelCount { .. } => "label_count",
            Self::SampleTwice { .. } => "sample_twice",
            Self::WrongKind { .. } => "wrong_kind",
            Self::BucketOrder { .. } => "bucket_order",
        }
    }
}

// === impl LeftOut ===

impl LeftOut {
    /// Counts `samples` more that were left out because of `error`.
    pub(super) fn add(&mut self, error: ExpositionError, samples: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == error) {
            Some((_, count)) => *count += samples,
            None => self.0.push((error, samples)),
        }
    }

    /// True if no sample was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each error with the number of samples or histograms that were left out because of it.
    pub fn iter(&self) -> impl Iterator<Item = (ExpositionError, u64)> + '_ {
        self.0.iter().copied()
    }
}
