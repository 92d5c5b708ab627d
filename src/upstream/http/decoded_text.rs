//! Decodes the escapes that a secret may be written in. Pure.

/// How often escapes are decoded, as a proxy may have escaped an escaped text.
const MAX_DEPTH: usize = 4;

/// `text`, and what it is after its escapes are decoded once, twice and so on.
pub(super) fn decoded_forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    for _ in 0..MAX_DEPTH {
        let Some(decoded) = forms.last().map(|last| decode(last)) else { break };
        if forms.last() == Some(&decoded) {
            break;
        }
        forms.push(decoded);
    }
    forms
}

/// Decodes percent escapes, HTML entities, and escapes of JSON and JavaScript, once each.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let escape = match first {
            '%' => percent(rest),
            '&' => entity(rest),
            '\\' => backslash(rest),
            _ => None,
        };
        let (decoded, length) = escape.unwrap_or((Decoded::Char(first), first.len_utf8()));
        match decoded {
            // The bytes of a character are escaped one by one.
            Decoded::Byte(byte) => bytes.push(byte),
            Decoded::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

enum Decoded {
    Byte(u8),
    Char(char),
}

/// A decoded escape and its length in bytes.
type Escape = Option<(Decoded, usize)>;

/// `%2F`, and `%u002F` of old servers.
fn percent(text: &str) -> Escape {
    if let Some(code) = hex(text, 2, 4).filter(|_| text.starts_with("%u")) {
        return Some((Decoded::Char(char::from_u32(code)?), 6));
    }
    Some((Decoded::Byte(u8::try_from(hex(text, 1, 2)?).ok()?), 3))
}

/// `&amp;`, `&#38;`, `&#x26;`.
fn entity(text: &str) -> Escape {
    const LONGEST: usize = 12;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((Decoded::Char(c), end + 1))
}

/// `\u002f`, `\u{2f}`, `\x2f`, `\/`. A surrogate pair is decoded to nothing that a secret has.
fn backslash(text: &str) -> Escape {
    let escaped = text.chars().nth(1)?;
    match escaped {
        'u' => {
            if let Some(braced) = text.strip_prefix("\\u{") {
                let end = braced.bytes().take(7).position(|byte| byte == b'}')?;
                let code = u32::from_str_radix(braced.get(..end)?, 16).ok()?;
                return Some((Decoded::Char(char::from_u32(code)?), end + 4));
            }
            Some((Decoded::Char(char::from_u32(hex(text, 2, 4)?).unwrap_or(char::REPLACEMENT_CHARACTER)), 6))
        }
        'x' => Some((Decoded::Byte(u8::try_from(hex(text, 2, 2)?).ok()?), 4)),
        'n' | 'r' | 't' | 'b' | 'f' => Some((Decoded::Char(' '), 2)),
        other => Some((Decoded::Char(other), 1 + other.len_utf8())),
    }
}

/// The number of `count` hexadecimal digits at `start`.
fn hex(text: &str, start: usize, count: usize) -> Option<u32> {
    let digits = text.get(start..start + count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_decoded_to_any_depth() {
        let table = [
            ("a%2Fb%2fc", "a/b/c"),
            ("a%252Fb", "a/b"),
            ("a%u002fb", "a/b"),
            ("%C3%A9", "é"),
            ("a&amp;amp;b&#x2F;c&#47;d&quot;", "a&b/c/d\""),
            (r"a\u002fb\/c\x2fd\u{2f}e", "a/b/c/d/e"),
            (r"a\\u002fb", "a/b"),
            ("100% &nothing; \\", "100% &nothing; \\"),
            ("%zz%4", "%zz%4"),
        ];
        for (text, expected) in table {
            assert_eq!(decoded_forms(text).last().map(String::as_str), Some(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_decoded(text in "([%&\\\\#ux;{}0-9a-fA-F]|\\PC){0,60}") {
            prop_assert!(decoded_forms(&text).len() <= MAX_DEPTH + 1);
        }
    }
}
