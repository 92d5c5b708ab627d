//! The word that was probably meant.

/// The longest word that anything is compared with, so that a file of nothing but long words is refused soon.
const MAX_WORD_BYTES: usize = 64;

/// The one of `known` that `word` is probably a slip of: at most a third of its letters differ, or one of the two
/// is the start or the end of the other.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            // A shorter part says too little: `in` is the start of `interval`.
            let is_part = word.len() >= 4 && (lower.starts_with(&word) || lower.ends_with(&word))
                || lower.len() >= 4 && (word.starts_with(&lower) || word.ends_with(&lower));
            // Lengths are compared first, as they are at hand.
            if !is_part && word.len().abs_diff(lower.len()) > 4 * most {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&word, &lower);
            (distance <= most || is_part).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["cooldown", "window", "interval", "client_secret", "client_secret_file", "request_timeout"];
        let table = [
            ("cooldwn", Some("cooldown")),
            ("colodown", Some("cooldown")),
            ("Cooldown", Some("cooldown")),
            ("secret", Some("client_secret")),
            ("timeout", Some("request_timeout")),
            ("windows", Some("window")),
            ("in", None),
            ("password", None),
            ("", None),
        ];
        for (word, meant) in table {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
