//! Repairs a body that is JSON but for text that is not valid Unicode, or numbers that JSON does not have.
//!
//! One such value would otherwise cost the whole page. Half a surrogate pair, bytes that are not UTF-8 and control characters
//! in text become U+FFFD. `NaN`, infinities and numbers beyond `f64` become text, so that a reader rejects the value and not the
//! page.

use std::borrow::Cow;

/// The hexadecimal digits of U+FFFD, the replacement character.
const REPLACEMENT: &[u8] = b"fffd";

/// What some writers use for numbers that are not finite.
const NOT_FINITE: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// Decodes `body`, and decodes it again after a repair where that fails.
///
/// # Errors
///
/// That of the first attempt, if a repair does not help.
pub(super) fn decode<T>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<T, serde_json::Error> {
    match decode(body) {
        // A body that was cut is not repaired: it is requested again.
        Err(error) if !error.is_eof() => repair(body).and_then(|repaired| decode(&repaired).ok()).ok_or(error),
        decoded => decoded,
    }
}

/// The repaired body; `None` if there is nothing to repair.
fn repair(body: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(body);
    let mut changed = matches!(text, Cow::Owned(_));
    let mut repaired = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut in_text = false;
    while let Some((&byte, after)) = rest.split_first() {
        let length = match byte {
            b'"' => {
                in_text = !in_text;
                1
            }
            b'\\' if in_text => {
                let (length, is_valid) = escape(rest);
                if !is_valid {
                    changed = true;
                    repaired.extend_from_slice(b"\\u");
                    repaired.extend_from_slice(REPLACEMENT);
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                length
            }
            0..0x20 if in_text => {
                changed = true;
                repaired.extend_from_slice("\u{fffd}".as_bytes());
                rest = after;
                continue;
            }
            b'-' | b'0'..=b'9' | b'N' | b'I' if !in_text => {
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count().max(1);
                let word = rest.get(..length).unwrap_or_default();
                if !is_finite(word) {
                    changed = true;
                    repaired.push(b'"');
                    repaired.extend_from_slice(word);
                    repaired.push(b'"');
                    rest = rest.get(length..).unwrap_or_default();
                    continue;
                }
                length
            }
            _ => 1,
        };
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        repaired.extend_from_slice(taken);
        rest = left;
    }
    changed.then_some(repaired)
}

/// The length of the escape that `text` begins with, and whether it is a character. A surrogate is one only with the other
/// half.
fn escape(text: &[u8]) -> (usize, bool) {
    let unit = |text: &[u8]| {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match unit(text) {
        Some(0xd800..=0xdbff) => match unit(text.get(6..).unwrap_or_default()) {
            Some(0xdc00..=0xdfff) => (12, true),
            _ => (6, false),
        },
        Some(0xdc00..=0xdfff) => (6, false),
        Some(_) => (6, true),
        None => (2, true),
    }
}

const fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether `word` is anything but a number that is too large or none.
fn is_finite(word: &[u8]) -> bool {
    if NOT_FINITE.contains(&word) {
        return false;
    }
    let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok());
    number.is_none_or(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &[u8]) -> Option<Value> {
        decode(body, |body| serde_json::from_slice(body)).ok()
    }

    #[test]
    fn invalid_unicode_is_replaced_and_numbers_become_text() {
        let table: [(&[u8], Value); 11] = [
            (br#"{"a":"\ud83d","b":1}"#, json!({"a": "\u{fffd}", "b": 1})),
            (br#"{"a":"\ude00x","b":1}"#, json!({"a": "\u{fffd}x", "b": 1})),
            (br#"["\ud83d\ud83d\ude00"]"#, json!(["\u{fffd}\u{1f600}"])),
            (br#"["\\ud83d","\ud83d"]"#, json!(["\\ud83d", "\u{fffd}"])),
            (b"[\"caf\xe9\"]", json!(["caf\u{fffd}"])),
            (b"[\"a\xff\xfeb\",\"\\\"\"]", json!(["a\u{fffd}\u{fffd}b", "\""])),
            (b"[\"a\tb\x00\"]", json!(["a\u{fffd}b\u{fffd}"])),
            (b"[NaN,-Infinity, Infinity]", json!(["NaN", "-Infinity", "Infinity"])),
            (b"[1e999,-1e999,1e3]", json!(["1e999", "-1e999", 1e3])),
            (b"{\"NaN\":\"1e999 \xff\"}", json!({"NaN": "1e999 \u{fffd}"})),
            (br#"["\ud83d\ude00"]"#, json!(["\u{1f600}"])),
        ];
        for (body, expected) in table {
            assert_eq!(read(body), Some(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_is_not_json_is_not_repaired() {
        for body in [&b""[..], b"{", b"<html>", b"[\"\\ud83d\"", b"[nan]", b"{\"a\" 1}", b"[\"\\x\"]"] {
            assert_eq!(read(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    proptest! {
        #[test]
        fn valid_json_is_not_changed(text in "\\PC{0,20}", number in any::<f64>(), other in any::<i64>()) {
            let body = json!({ "text": text, "list": [number, other, null, true, text] }).to_string();
            prop_assert_eq!(repair(body.as_bytes()), None);
        }

        #[test]
        fn any_bytes_are_repaired_or_not(body in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(repaired) = repair(&body) {
                prop_assert!(repair(&repaired).is_none());
            }
        }
    }
}
