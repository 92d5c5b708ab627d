//! Text from CXone: names of people, teams and states, which end up in labels, tables and logs.

use std::borrow::Cow;

/// The limit of a name, a team or a state from CXone, in bytes. Each is a label value in every scrape; what people write in
/// CXone is far shorter.
pub const MAX_TEXT_BYTES: usize = 256;

/// The first [`MAX_TEXT_BYTES`] bytes of `text`, or fewer where a character would be cut.
pub fn cut_text(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or(text)
}

/// `text` on one line: line breaks and other control characters, bidirectional marks and invisible characters are escaped as
/// in Rust. For terminals, logs and CSV, which text from CXone must not control.
pub fn escape_text(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| c.is_control() || is_invisible(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if is_unsafe(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// `text` as [`escape_text`] has it, in isolating marks if it is written from right to left: it then does not reorder what
/// stands beside it. For plain text such as titles and tables; HTML has an element for it.
pub fn isolate_text(text: &str) -> Cow<'_, str> {
    let escaped = escape_text(text);
    if escaped.contains(is_right_to_left) { Cow::Owned(format!("\u{2068}{escaped}\u{2069}")) } else { escaped }
}

/// Whether `c` is in the blocks of scripts that are written from right to left.
///
/// Source: Unicode Standard Annex 9, the default bidirectional classes R and AL.
const fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// Whether `c` hides, reorders or breaks the text around it. The joiners U+200C and U+200D do not, and some scripts need
/// them in names.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_cut_at_256_bytes() {
        let table = [("a".repeat(256), 256), ("a".repeat(257), 256), (format!("{}é", "a".repeat(255)), 255)];
        for (text, length) in table {
            assert_eq!(cut_text(&text), &text[..length]);
        }
    }

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        let table = [
            ("Zoë O'Neil 休憩 ☕", "Zoë O'Neil 休憩 ☕"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[31mred\u{7f}\u{85}", r"\u{1b}[31mred\u{7f}\u{85}"),
            ("a\u{202e}b\u{2028}c\u{61c}", r"a\u{202e}b\u{2028}c\u{61c}"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ];
        for (text, escaped) in table {
            assert_eq!(escape_text(text), escaped);
        }
    }

    proptest! {
        #[test]
        fn escaped_text_is_one_visible_line(text: String) {
            let escaped = escape_text(&text);
            prop_assert!(!escaped.chars().any(|c| c.is_control() || is_invisible(c)), "{escaped:?}");
        }
    }
}
