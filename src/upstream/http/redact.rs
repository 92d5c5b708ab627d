//! Redacts text of a server for logs and errors: no secret, no control characters, one short line.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use crate::presence::is_invisible;

/// The longest text that is shown, in characters: a sentence or two, which fits into a log line.
const MAX_SHOWN: usize = 300;

/// Replaces a secret.
const PLACEHOLDER: &str = "<secret>";

/// How many tokens are remembered. A server may still mention the previous token, and some issue two at a time.
const TOKENS_REMEMBERED: usize = 4;

/// Removes known secrets from text, in every common encoding.
pub(crate) struct Redactor {
    credentials: Vec<String>,
    /// The newest tokens, oldest first.
    tokens: Mutex<Vec<Vec<String>>>,
}

// === impl Redactor ===

impl Redactor {
    /// Removes the secrets of pairs of id and secret, and the pairs as in `Authorization: Basic`.
    pub(crate) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a SecretString)>) -> Self {
        let mut credentials = Vec::new();
        for (id, secret) in pairs {
            let secret = secret.expose_secret();
            credentials.extend(spellings(secret));
            if !secret.is_empty() {
                credentials.extend(base64_spellings(format!("{id}:{secret}").as_bytes()));
            }
        }
        Self { credentials: longest_first(credentials), tokens: Mutex::new(Vec::new()) }
    }

    /// Removes `token` as well from now on.
    pub(crate) fn learn(&self, token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.push(longest_first(spellings(token)));
        let surplus = tokens.len().saturating_sub(TOKENS_REMEMBERED);
        tokens.drain(..surplus);
    }

    /// `text` without secrets, on one line, cut to a length that can be shown.
    pub(crate) fn clean(&self, text: &str) -> String {
        // Secrets go first: a part of a secret that was cut off would not be recognised.
        let mut text = text.to_owned();
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for spelling in tokens.iter().flatten().chain(&self.credentials) {
            if text.contains(spelling) {
                text = text.replace(spelling, PLACEHOLDER);
            }
        }
        one_line(&text)
    }
}

/// Shows none of the secrets.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
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

/// The encodings of `secret` that a response may hold: plain, query or form, JSON, HTML, Base64.
fn spellings(secret: &str) -> Vec<String> {
    if secret.is_empty() {
        return Vec::new();
    }
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    // Encoders disagree on `*` and `~`, and on whether to escape `/`, `=`, `:` and `+`.
    let thorough: String = secret
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json.trim_matches('"');
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut all = vec![
        secret.to_owned(),
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html,
        json.replace('/', "\\/"),
        json.to_owned(),
    ];
    for encoded in [form, percent, thorough] {
        all.push(lower_case_escapes(&encoded));
        all.push(encoded);
    }
    all.extend(base64_spellings(secret.as_bytes()));
    all
}

/// Percent escapes in lower case: `%2f` is as common as `%2F`.
fn lower_case_escapes(encoded: &str) -> String {
    let mut escape = 0;
    encoded
        .chars()
        .map(|c| {
            escape = if c == '%' {
                2
            } else if escape > 0 {
                escape - 1
            } else {
                return c;
            };
            c.to_ascii_lowercase()
        })
        .collect()
}

/// Base64 in both alphabets. Without padding, which reveals nothing.
fn base64_spellings(bytes: &[u8]) -> [String; 2] {
    [STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]
}

/// Longest first: a spelling that is a prefix of another would leave the rest of it behind.
fn longest_first(mut spellings: Vec<String>) -> Vec<String> {
    spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    spellings.dedup();
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "p@ss/w+rd=\"1' <&>é~*";
    const TOKEN: &str = "eyJhbGciOi.J9.a_b-c/d+e==";

    fn redactor() -> Redactor {
        let redactor = Redactor::new([("my-client", &SecretString::from(SECRET))]);
        redactor.learn(TOKEN);
        redactor
    }

    #[test]
    fn a_secret_is_taken_out_however_it_is_spelled() {
        let table = [
            SECRET,
            TOKEN,
            "p%40ss%2Fw%2Brd%3D%221%27%20%3C%26%3E%C3%A9%7E%2A",
            "p%40ss%2fw%2brd%3d%221%27+%3c%26%3e%c3%a9%7e*",
            "p@ss/w+rd=\\\"1' <&>é~*",
            "p@ss\\/w+rd=\\\"1' <&>é~*",
            "p@ss/w+rd=&quot;1&#39; &lt;&amp;&gt;é~*",
            "bXktY2xpZW50OnBAc3MvdytyZD0iMScgPCY+w6l+Kg",
            "bXktY2xpZW50OnBAc3MvdytyZD0iMScgPCY-w6l-Kg",
            "eyJhbGciOi.J9.a_b-c%2Fd%2Be%3D%3D",
        ];
        let redactor = redactor();
        for spelling in table {
            let shown = redactor.clean(&format!("before {spelling}, {spelling} after"));
            assert_eq!(shown, "before <secret>, <secret> after", "{spelling}");
        }
    }

    #[test]
    fn the_last_tokens_are_known() {
        let redactor = redactor();
        for token in ["second-token", "third-token", "fourth-token"] {
            redactor.learn(token);
        }
        assert_eq!(redactor.clean(&format!("{TOKEN} second-token")), "<secret> <secret>");
        redactor.learn("fifth-token");
        assert_eq!(redactor.clean("second-token fifth-token"), "<secret> <secret>");
    }

    #[test]
    fn text_is_shown_on_one_line_and_cut() {
        let redactor = redactor();
        assert_eq!(redactor.clean("\r\n a\tb\0c \u{1b}[31mred\u{202e}evil \n"), "a b c [31mredevil");
        let long = redactor.clean(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_SHOWN + 1);
        assert!(long.ends_with('…'));
        // The cut cannot leave half a secret behind.
        let edge = redactor.clean(&format!("{}{SECRET}", "x".repeat(MAX_SHOWN - 4)));
        assert!(edge.ends_with("<sec…"), "{edge}");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", redactor()), "Redactor { .. }");
    }

    #[test]
    fn an_empty_secret_takes_nothing_out() {
        let redactor = Redactor::new([("", &SecretString::from(""))]);
        redactor.learn("");
        assert_eq!(redactor.clean("all of it"), "all of it");
    }
}
