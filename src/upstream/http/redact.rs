//! Redacts text of a server for logs and errors: no secret, no control characters, one short line.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::decoded_text::decoded_forms;
use crate::presence::is_invisible;

/// The longest text that is shown, in characters: a sentence or two, which fits into a log line.
const MAX_SHOWN: usize = 300;

/// Stands for a text that holds a secret.
const PLACEHOLDER: &str = "<secret>";

/// The shortest secret that is searched for. A shorter one would be found in most texts by chance, and is no secret.
const MIN_SECRET_CHARS: usize = 6;

/// How many tokens are remembered, and how many rotated secrets. A server may still mention the previous token, and some
/// issue two at a time.
const REMEMBERED: usize = 4;

/// Withholds text with a known secret, in any common encoding.
pub(crate) struct Redactor {
    /// Whether bodies are never shown, because they may hold the ids that pseudonyms stand for.
    hides_bodies: bool,
    credentials: Vec<Needles>,
    /// The newest tokens, oldest first.
    tokens: Mutex<Vec<Needles>>,
    /// The newest secrets of files that have changed, oldest first.
    rotated: Mutex<Vec<Needles>>,
}

/// The forms of one secret that are searched for.
#[derive(PartialEq, Eq)]
struct Needles(Vec<String>);

// === impl Redactor ===

impl Redactor {
    /// Withholds text with one of `secrets`, and every body if `hides_bodies`.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>, hides_bodies: bool) -> Self {
        let credentials = secrets.into_iter().map(|secret| Needles::of(secret.expose_secret())).collect();
        Self { hides_bodies, credentials, tokens: Mutex::default(), rotated: Mutex::default() }
    }

    /// Withholds text with `token` as well from now on.
    pub(crate) fn learn(&self, token: &str) {
        remember(&self.tokens, Needles::of(token));
    }

    /// Withholds text with a rotated `secret` as well from now on.
    pub(crate) fn learn_secret(&self, secret: &str) {
        let needles = Needles::of(secret);
        if !self.credentials.contains(&needles) {
            remember(&self.rotated, needles);
        }
    }

    /// `text` on one line, cut to a length that can be shown; a placeholder for all of it if it holds a secret.
    pub(crate) fn clean(&self, text: &str) -> String {
        // The whole text is searched: a part of a secret that is cut off would not be found.
        if self.holds_secret(text) { PLACEHOLDER.to_owned() } else { one_line(text) }
    }

    /// What may be shown of a server's own words: `text` as [`Redactor::clean`] returns it, or nothing.
    pub(crate) fn quote(&self, text: &str) -> Option<String> {
        (!self.hides_bodies).then(|| self.clean(text)).filter(|text| !text.is_empty())
    }

    fn holds_secret(&self, text: &str) -> bool {
        let mut haystacks: Vec<String> = decoded_forms(text).iter().flat_map(|form| normal_forms(form)).collect();
        haystacks.dedup();
        let found =
            |needles: &Needles| needles.0.iter().any(|needle| haystacks.iter().any(|text| text.contains(needle)));
        let any = |list: &Mutex<Vec<Needles>>| list.lock().unwrap_or_else(PoisonError::into_inner).iter().any(found);
        self.credentials.iter().any(found) || any(&self.tokens) || any(&self.rotated)
    }
}

/// Shows none of the secrets.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// Adds `needles` to the newest.
fn remember(list: &Mutex<Vec<Needles>>, needles: Needles) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|known| *known != needles);
    list.push(needles);
    let surplus = list.len().saturating_sub(REMEMBERED);
    list.drain(..surplus);
}

// === impl Needles ===

impl Needles {
    /// `secret` in the encodings that [`decoded_forms`] does not undo: plain, hexadecimal, and Base64 at each of the three
    /// offsets that it may have within a longer text, such as `id:secret`.
    fn of(secret: &str) -> Self {
        if secret.chars().count() < MIN_SECRET_CHARS {
            return Self(Vec::new());
        }
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        // Bytes before the secret, and the characters at the start that depend on them too.
        let base64 = [(0, 0), (1, 2), (2, 3)].map(|(before, start)| {
            let bytes = [&vec![0; before], secret.as_bytes()].concat();
            let encoded = STANDARD_NO_PAD.encode(&bytes);
            // The last character may depend on the bytes after the secret.
            let end = encoded.len() - usize::from(!bytes.len().is_multiple_of(3));
            encoded.get(start..end).unwrap_or_default().to_owned()
        });
        let plain = normal_forms(secret).into_iter();
        let encoded = base64.into_iter().chain([hex]).map(|encoded| alphanumeric(&encoded));
        Self(plain.chain(encoded).filter(|needle| needle.chars().count() >= MIN_SECRET_CHARS).collect())
    }
}

/// `text` in lower case, without anything that is not seen; and the same without punctuation, which encodings disagree on
/// (Base64 has two alphabets, forms write a space as `+`) and which may be put into a secret.
fn normal_forms(text: &str) -> [String; 2] {
    let visible = text.chars().filter(|c| c.is_alphanumeric() || c.is_ascii_punctuation());
    [visible.flat_map(char::to_lowercase).collect(), alphanumeric(text)]
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Runs of white space and control characters become one space each; at most [`MAX_SHOWN`] characters stay.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut shown = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if shown > 0 {
            line.push(' ');
            shown += 1;
        }
        for c in word.chars().filter(|c| !is_invisible(*c)) {
            if shown >= MAX_SHOWN {
                line.push('…');
                return line;
            }
            line.push(c);
            shown += 1;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "p@ss/w+rd=\"1' <&>é~*";
    const TOKEN: &str = "eyJhbGciOi.J9.a_b-c/d+e==";

    fn redactor() -> Redactor {
        let redactor = Redactor::new([&SecretString::from(SECRET)], false);
        redactor.learn(TOKEN);
        redactor
    }

    #[test]
    fn text_with_a_secret_in_any_encoding_is_not_shown() {
        let split = |mark: &str| SECRET.chars().map(|c| format!("{c}{mark}")).collect::<String>();
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let entities: String = SECRET.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        let json: String = SECRET.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02X}:")).collect();
        let table = [
            SECRET.to_owned(),
            TOKEN.to_owned(),
            SECRET.to_uppercase(),
            TOKEN.to_lowercase(),
            split("\u{200b}"),
            split("\u{200d}"),
            split("\u{ad}"),
            split("\n"),
            split(" "),
            split("~"),
            "p%40ss%2Fw%2Brd%3D%221%27%20%3C%26%3E%C3%A9%7E%2A".to_owned(),
            "p%40ss%2fw%2brd%3d%221%27+%3c%26%3e%c3%a9~*".to_owned(),
            percent.replace('%', "%25"),
            percent,
            entities.replace('&', "&amp;"),
            entities,
            json,
            hex,
            "p@ss\\/w+rd=\\\"1' <&>é~*".to_owned(),
            "p@ss/w+rd=&quot;1&#39; &lt;&amp;&gt;é~*".to_owned(),
            STANDARD.encode(SECRET),
            STANDARD.encode(format!("my-client:{SECRET}")),
            STANDARD.encode(format!("c:{SECRET}:x")),
            URL_SAFE_NO_PAD.encode(format!("cl:{SECRET}")),
        ];
        let redactor = redactor();
        for spelling in table {
            assert_eq!(redactor.clean(&format!("before {spelling}, after")), PLACEHOLDER, "{spelling}");
        }
        assert_eq!(redactor.clean("p@ss of the client my-client"), "p@ss of the client my-client");
    }

    #[test]
    fn a_short_token_within_a_secret_leaves_nothing_of_it() {
        let redactor = Redactor::new([&SecretString::from("prefix-token-suffix")], false);
        redactor.learn("token-");
        assert_eq!(redactor.clean("it was prefix-token-suffix"), PLACEHOLDER);
    }

    #[test]
    fn secrets_below_six_characters_are_not_searched() {
        for (secret, text, shown) in [("", "all of it", "all of it"), ("a", "a b", "a b"), ("12345", "12345", "12345")]
        {
            let redactor = Redactor::new([&SecretString::from(secret)], false);
            redactor.learn(secret);
            assert_eq!(redactor.clean(text), shown);
        }
        assert_eq!(Redactor::new([&SecretString::from("123456")], false).clean("x123456"), PLACEHOLDER);
    }

    #[test]
    fn the_last_tokens_and_rotated_secrets_are_known() {
        let redactor = redactor();
        for token in ["second-token", "third-token", "fourth-token"] {
            redactor.learn(token);
        }
        redactor.learn_secret("rotated-secret");
        for text in [TOKEN, "second-token", "rotated-secret", SECRET] {
            assert_eq!(redactor.clean(text), PLACEHOLDER);
        }
        redactor.learn("fifth-token");
        assert_eq!((&*redactor.clean(TOKEN), &*redactor.clean("fifth-token")), (TOKEN, PLACEHOLDER));
    }

    #[test]
    fn bodies_are_not_quoted_where_they_may_undo_pseudonyms() {
        assert_eq!(redactor().quote(" the agent\r\n 7 ").as_deref(), Some("the agent 7"));
        assert_eq!(redactor().quote(" \n"), None);
        assert_eq!(Redactor::new([], true).quote("the agent 7"), None);
    }

    #[test]
    fn text_is_shown_on_one_line_and_cut() {
        let redactor = redactor();
        assert_eq!(redactor.clean("\r\n a\tb\0c \u{1b}[31mred\u{202e}evil \n"), "a b c [31mredevil");
        let long = redactor.clean(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_SHOWN + 1);
        assert!(long.ends_with('…'));
        assert_eq!(redactor.clean(&format!("{}{SECRET}", "x".repeat(MAX_SHOWN - 4))), PLACEHOLDER);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", redactor()), "Redactor { .. }");
    }

    proptest! {
        #[test]
        fn base64_of_any_secret_at_any_offset_is_found(
            before in proptest::collection::vec(any::<u8>(), 0..7),
            secret in "[ -~]{12,40}",
            after in proptest::collection::vec(any::<u8>(), 0..7),
        ) {
            let encoded = STANDARD.encode([&before, secret.as_bytes(), &after].concat());
            let redactor = Redactor::new([&SecretString::from(secret)], false);
            prop_assert_eq!(redactor.clean(&encoded), PLACEHOLDER);
        }
    }
}
