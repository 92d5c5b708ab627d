//! Suggests the known word nearest to a misspelt one.

/// The longest word that is compared, to bound the work for a file of long words.
const MAX_WORD_BYTES: usize = 64;

/// The nearest of the `known` words: at most a third of the letters differ, or one word is the start or the end of the
/// other.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            // Shorter parts match too much: `in` is the start of `interval`.
            let is_part = word.len() >= 4 && (lower.starts_with(&word) || lower.ends_with(&word))
                || lower.len() >= 4 && (word.starts_with(&lower) || word.ends_with(&lower));
            // Lengths are compared first, because that is cheap.
            if !is_part && word.len().abs_diff(lower.len()) > 4 * most {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&word, &lower);
            (distance <= most || is_part).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The known word that `word` is a slip of: it differs in case, or in one letter, or in two where it is long. A known word
/// is no slip, and a longer word that has a known one in it is a word of its own.
pub(crate) fn slip_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let lower = word.to_lowercase();
    // `Online` is two letters from `Offline`, and means the opposite.
    let most = (lower.chars().count() / 4).clamp(1, 2);
    let distance = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        (usize::from(candidate != word) + distance, candidate)
    };
    let (distance, nearest) = known.into_iter().map(distance).min_by_key(|(distance, _)| *distance)?;
    (1..=most + 1).contains(&distance).then_some(nearest)
}

/// The three of the `known` words that differ least from `word`, however much that is.
pub(crate) fn nearest_three<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let start: String = word.chars().take(MAX_WORD_BYTES).flat_map(char::to_lowercase).collect();
    let mut known: Vec<&str> = known.into_iter().collect();
    // Words of the same distance stay in their order. A longer word has more letters to share, so the share counts.
    known.sort_by_cached_key(|candidate| {
        let similarity = strsim::normalized_damerau_levenshtein(&start, &candidate.to_lowercase());
        std::cmp::Reverse(format!("{similarity:.6}"))
    });
    known.truncate(3);
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nearest_words_are_in_order() {
        let known = ["name", "cooldown", "window", "settle", "states", "interval"];
        assert_eq!(nearest_three("status", known), ["states", "settle", "name"]);
        assert_eq!(nearest_three("Windows", known), ["window", "cooldown", "name"]);
        assert_eq!(nearest_three("x", ["a", "b"]), ["a", "b"]);
        assert_eq!(nearest_three("AGENTS", ["AREA", "AGENT_IDS", "AGENT_ID"]), ["AGENT_IDS", "AGENT_ID", "AREA"]);
    }

    #[test]
    fn slip_differs_in_case_or_by_one_or_two_letters() {
        let known = ["Available", "Unavailable", "Busy", "Offline"];
        let slips = [("offline", "Offline"), ("Offlien", "Offline"), ("Avalable", "Available"), ("bussy", "Busy")];
        for (word, meant) in slips {
            assert_eq!(slip_of(word, known), Some(meant), "{word}");
        }
        for word in ["Offline", "Unavailable", "Online", "Offline: Lunch", "Lazy", "", &"x".repeat(65)] {
            assert_eq!(slip_of(word, known), None, "{word}");
        }
        assert_eq!(slip_of("x", []), None);
    }

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
