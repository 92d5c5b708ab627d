//! What was left out of a block, and why.

use thiserror::Error;

/// Why a family or a sample was left out: exposed, it would have made the whole document invalid.
///
/// It names families and labels, never the values of labels, as these may be names of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ExpositionError {
    /// The family's name, or what it is made of, is not allowed.
    #[error("the family {family} cannot be exposed: {fault}; its definition has to be changed")]
    InvalidFamily {
        /// The family's name.
        family: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Two families of one document write the same sample name.
    #[error("the family {family} was left out, as {other} writes a sample of the same name; one must be renamed")]
    NameClash {
        /// The family that came later.
        family: &'static str,
        /// The family that was there before.
        other: &'static str,
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
    /// A second sample with the same label values.
    #[error("a sample of {family} was left out, as one with the same label values is there already")]
    SampleTwice {
        /// The family's name.
        family: &'static str,
    },
    /// A plain sample in a histogram's family, or a histogram in another's.
    #[error("a sample of {family} was left out, as it is of another kind than the family")]
    WrongKind {
        /// The family's name.
        family: &'static str,
    },
    /// A histogram whose bounds do not rise, or whose counts fall.
    #[error("a histogram of {family} was left out, as its bounds or its counts do not rise")]
    BucketOrder {
        /// The family's name.
        family: &'static str,
    },
}

/// Everything that was left out of one block, by its reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut(Vec<(ExpositionError, u64)>);

// === impl ExpositionError ===

impl ExpositionError {
    /// Every value of [`ExpositionError::reason`].
    pub const REASONS: [&'static str; 6] =
        ["invalid_family", "name_clash", "label_count", "sample_twice", "wrong_kind", "bucket_order"];

    /// The reason in a word, for a label's value.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::InvalidFamily { .. } => "invalid_family",
            Self::NameClash { .. } => "name_clash",
            Self::LabelCount { .. } => "label_count",
            Self::SampleTwice { .. } => "sample_twice",
            Self::WrongKind { .. } => "wrong_kind",
            Self::BucketOrder { .. } => "bucket_order",
        }
    }
}

// === impl LeftOut ===

impl LeftOut {
    /// Counts `samples` more that `error` kept out.
    pub(super) fn add(&mut self, error: ExpositionError, samples: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == error) {
            Some((_, count)) => *count += samples,
            None => self.0.push((error, samples)),
        }
    }

    /// Whether everything is exposed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each error with the number of samples, or of histograms, that it kept out.
    pub fn iter(&self) -> impl Iterator<Item = (ExpositionError, u64)> + '_ {
        self.0.iter().copied()
    }
}
