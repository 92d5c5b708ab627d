//! Repairs the text of a JSON body that is not valid Unicode, so that one bad character does not lose the body.

/// U+FFFD, the replacement character.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// The same as a JSON escape. It has the length of any `\u` escape.
const REPLACEMENT_ESCAPE: &[u8; 6] = b"\\ufffd";

/// The largest repaired body. A replacement character is three times as long as a byte that it replaces, and real pages
/// have some megabytes.
pub(crate) const MAX_REPAIRED_BYTES: usize = 16 * 1024 * 1024;

/// What some servers put before JSON, without a meaning.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// `body` without a byte order mark.
pub(super) fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// Replaces bytes that are not UTF-8, and escapes of half a surrogate pair (`\ud83d`), by U+FFFD. Returns whether there were
/// any.
pub(crate) fn repair(body: &mut Vec<u8>) -> bool {
    if body.len() > MAX_REPAIRED_BYTES {
        return false;
    }
    let has_surrogates = replace_lone_surrogates(body);
    replace_invalid_utf8(body) || has_surrogates
}

fn replace_invalid_utf8(body: &mut Vec<u8>) -> bool {
    let invalid = body.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    if invalid == 0 || body.len().saturating_add(invalid * REPLACEMENT.len()) > MAX_REPAIRED_BYTES {
        return false;
    }
    let mut repaired = Vec::with_capacity(body.len() + invalid * REPLACEMENT.len());
    for chunk in body.utf8_chunks() {
        repaired.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            repaired.extend_from_slice(REPLACEMENT);
        }
    }
    *body = repaired;
    true
}

fn replace_lone_surrogates(body: &mut [u8]) -> bool {
    let (mut replaced, mut at) = (false, 0);
    while let Some(next) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += next;
        at += match (surrogate(body, at), surrogate(body, at + REPLACEMENT_ESCAPE.len())) {
            (Some(Surrogate::High), Some(Surrogate::Low)) => 2 * REPLACEMENT_ESCAPE.len(),
            (Some(_), _) => {
                if let Some(escape) = body.get_mut(at..at + REPLACEMENT_ESCAPE.len()) {
                    escape.copy_from_slice(REPLACEMENT_ESCAPE);
                    replaced = true;
                }
                REPLACEMENT_ESCAPE.len()
            }
            // The escaped character may be a backslash, which begins no escape.
            (None, _) => 2,
        };
    }
    replaced
}

/// Half a surrogate pair.
enum Surrogate {
    High,
    Low,
}

/// The half of a surrogate pair that the escape at `at` stands for.
fn surrogate(body: &[u8], at: usize) -> Option<Surrogate> {
    let digits = body.get(at..at + REPLACEMENT_ESCAPE.len())?.strip_prefix(b"\\u")?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))?;
    match code {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(body: &[u8]) -> Option<Vec<u8>> {
        let mut body = body.to_vec();
        repair(&mut body).then_some(body)
    }

    #[test]
    fn invalid_unicode_is_replaced_by_u_fffd() {
        let table: [(&[u8], Option<&str>); 12] = [
            (b"{}", None),
            ("\"é😀\"".as_bytes(), None),
            (br#""\ud83d\ude00""#, None),
            (br#""\\ud83d""#, None),
            (br#""\ud83d""#, Some(r#""\ufffd""#)),
            (br#""\uDE00x""#, Some(r#""\ufffdx""#)),
            (br#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (br#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (br#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (b"\"a\xffb\xc3\"", Some("\"a\u{fffd}b\u{fffd}\"")),
            (b"\"\xed\xa0\x80\"", Some("\"\u{fffd}\u{fffd}\u{fffd}\"")),
            (br#""\ud83""#, None),
        ];
        for (body, expected) in table {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(repaired(body).as_deref(), expected.map(str::as_bytes), "{shown}");
        }
    }

    #[test]
    fn a_large_damaged_body_is_left_as_it_is() {
        assert_eq!(repaired(&vec![0xff; MAX_REPAIRED_BYTES / 2]), None);
    }

    proptest! {
        #[test]
        fn any_string_is_valid_json_once_repaired(text in any::<Vec<char>>(), bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let quoted = serde_json::to_string(&text.iter().collect::<String>()).unwrap();
            let inner = [&quoted.as_bytes()[1..quoted.len() - 1], br"\ud83d", &bytes, br"\udfff"].concat();
            let clean: Vec<u8> = inner.iter().copied().filter(|byte| *byte >= b' ' && *byte != b'"').collect();
            let mut body = [b"\"", &clean[..], b"\""].concat();
            repair(&mut body);
            let text = std::str::from_utf8(&body);
            prop_assert!(text.is_ok());
            let lone = text.is_ok_and(|text| serde_json::from_str::<String>(text).is_err_and(|error| error.to_string().contains("surrogate")));
            prop_assert!(!lone);
            prop_assert!(!repair(&mut body), "a second repair changes nothing");
        }
    }
}
