//! Reads secrets, in place or from a file. Messages never contain them.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::config::bounds::MAX_SECRET_BYTES;
use crate::config::diagnostics::{Diagnostics, Place, Problem};
use crate::config::parse::fields::Fields;
use crate::config::parse::source::{self, Unreadable};
use crate::config::parse::value::Value;
use crate::config::redacted_yaml::Quoted;

/// The placeholder of a secret in redacted YAML.
const PLACEHOLDER: &str = "<secret>";

/// The two keys of a secret.
pub(crate) struct SecretKeys {
    pub(crate) in_place: &'static str,
    pub(crate) file: &'static str,
    /// The remedy where both are missing.
    example: &'static str,
}

/// The OAuth client's secret.
pub(crate) const CLIENT_SECRET: SecretKeys = SecretKeys {
    in_place: "client_secret",
    file: "client_secret_file",
    example: "`client_secret_file:` with the path of a file that holds the secret, or `client_secret:`",
};

/// The access key's secret.
pub(crate) const ACCESS_KEY_SECRET: SecretKeys = SecretKeys {
    in_place: "access_key_secret",
    file: "access_key_secret_file",
    example: "`access_key_secret_file:` with the path of a file that holds the secret, or `access_key_secret:`",
};

/// The key of the pseudonyms.
pub(crate) const AGENT_LABEL_KEY: SecretKeys = SecretKeys {
    in_place: "agent_label_key",
    file: "agent_label_key_file",
    example: "`agent_label_key_file:` with the path of a file that holds 16 bytes or more, such as those of \
              `openssl rand -hex 32`, or `agent_label_key:`",
};

/// A secret and its file, if any.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The secret itself, which Debug leaves out.
    pub value: SecretString,
    /// The file that the secret was read from; `None` where it was given in place.
    pub file: Option<PathBuf>,
}

/// The secret under one of `keys`. `world_readable` is the source that all users may read.
pub(crate) fn read(
    fields: &Fields<'_>,
    keys: &SecretKeys,
    base_dir: &Path,
    world_readable: Option<Place>,
    diagnostics: &mut Diagnostics,
) -> Option<Secret> {
    match (fields.get(keys.in_place), fields.get(keys.file)) {
        (Some(secret), None) => in_place(secret, world_readable, diagnostics),
        (None, Some(file)) => from_file(file, base_dir, diagnostics),
        (Some(_), Some(file)) => {
            file.report(Problem::new("is given beside the secret itself", "keep one of the two"), diagnostics);
            None
        }
        (None, None) => {
            fields.missing(keys.in_place, Some(keys.file), keys.example, diagnostics);
            None
        }
    }
}

// === impl Secret ===

impl Secret {
    /// No secret.
    pub fn none() -> Self {
        Self::from("")
    }

    /// The secret as its file holds it now, or the configured one without a file.
    ///
    /// # Errors
    ///
    /// Says why the file cannot be read, or that it is empty.
    pub(crate) fn reread(&self) -> Result<SecretString, String> {
        let Some(path) = &self.file else { return Ok(self.value.clone()) };
        let source = source::read_text(path, MAX_SECRET_BYTES).map_err(|unreadable| unreadable.problem.message)?;
        match trimmed(&source.text) {
            "" => Err("is empty".to_owned()),
            secret => Ok(SecretString::from(secret)),
        }
    }

    /// Writes the path of the secret's file, else a placeholder, under the key of `keys` for it.
    pub(crate) fn write(&self, yaml: &mut String, keys: &SecretKeys) -> fmt::Result {
        match &self.file {
            Some(file) => writeln!(yaml, "    {}: {}", keys.file, Quoted(&file.display().to_string())),
            None => writeln!(yaml, "    {}: {PLACEHOLDER}", keys.in_place),
        }
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.value.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self { value: SecretString::from(secret), file: None }
    }
}

/// For reloads, which compare settings. The time of this comparison depends on the secrets, so it must not check a
/// secret that a client sends.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose_secret() == other.expose_secret() && self.file == other.file
    }
}

impl Eq for Secret {}

fn in_place(value: Value<'_>, world_readable: Option<Place>, diagnostics: &mut Diagnostics) -> Option<Secret> {
    let text = trimmed(value.text("the secret, in quotes", diagnostics)?);
    if text.is_empty() {
        value.report(Problem::new("is empty", "write the secret, in quotes"), diagnostics);
        return None;
    }
    if text.len() > usize::try_from(MAX_SECRET_BYTES).unwrap_or(usize::MAX) {
        let message = format!("is longer than {MAX_SECRET_BYTES} bytes");
        value.report(Problem::new(message, "check that it is the secret"), diagnostics);
        return None;
    }
    if world_readable.is_some_and(|source| value.place.is_in(source)) {
        let message = "every user of this machine can read the secret";
        let remedy = "let only the exporter's user read this file (chmod 600), or keep the secret in one of its own";
        diagnostics.warn(value.place, value.path, Problem::new(message, remedy));
    }
    warn_of_outer_white_space(text, &value, diagnostics);
    Some(Secret::from(text))
}

fn from_file(value: Value<'_>, base_dir: &Path, diagnostics: &mut Diagnostics) -> Option<Secret> {
    let text = value.text("the path of a file that holds the secret", diagnostics)?;
    if text.is_empty() {
        value.report(Problem::new("is empty", "write the path of a file that holds the secret"), diagnostics);
        return None;
    }
    let path = base_dir.join(text);
    let shown = path.display();
    let source = match source::read_text(&path, MAX_SECRET_BYTES) {
        Ok(source) => source,
        Err(unreadable) if is_path(text, base_dir) => {
            let Problem { message, remedy } = unreadable.problem;
            value.report(Problem::new(format!("{shown} {message}"), remedy), diagnostics);
            return None;
        }
        Err(Unreadable { problem: Problem { message, remedy }, .. }) => {
            let remedy = format!("{remedy}, which is not shown here as it may be the secret itself");
            value.report(Problem::new(message, remedy), diagnostics);
            return None;
        }
    };
    let secret = trimmed(&source.text);
    if secret.is_empty() {
        value.report(Problem::new(format!("{shown} is empty"), "write the secret into it"), diagnostics);
        return None;
    }
    if source.world_readable {
        let message = format!("every user of this machine can read {shown}");
        diagnostics.warn(
            value.place,
            value.path,
            Problem::new(message, "let only the exporter's user read it (chmod 600)"),
        );
    }
    if let Some(reason) = source.writable_by_others {
        let message = format!("other users can change {shown}: {reason}");
        let remedy = "let it belong to the exporter's user or root, and let no other user write it (chmod 600)";
        diagnostics.warn(value.place, value.path, Problem::new(message, remedy));
    }
    let lines = secret.lines().count();
    if lines > 1 {
        let message = format!("{shown} has {lines} lines, which together are taken as the secret");
        diagnostics.warn(value.place, value.path, Problem::new(message, "check that this is the right file"));
    }
    warn_of_outer_white_space(secret, &value, diagnostics);
    Some(Secret { value: SecretString::from(secret), file: Some(path) })
}

/// Whether `text` is the path of something that exists, or begins with a directory: otherwise it may be a secret.
fn is_path(text: &str, base_dir: &Path) -> bool {
    let path = base_dir.join(text);
    let is_relative = ["./", "../"].iter().any(|start| text.starts_with(start));
    let first = text.char_indices().skip(1).find(|(_, c)| *c == '/').and_then(|(end, _)| text.get(..end));
    is_relative || path.symlink_metadata().is_ok() || first.is_some_and(|first| base_dir.join(first).is_dir())
}

/// `text` without one trailing line break, which editors and `echo` append.
fn trimmed(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn warn_of_outer_white_space(secret: &str, value: &Value<'_>, diagnostics: &mut Diagnostics) {
    if secret.trim() != secret {
        let problem = Problem::new("the secret begins or ends with white space", "check that this belongs to it");
        diagnostics.warn(value.place, value.path, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_path_if_its_first_directory_exists() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("secrets")).unwrap();
        std::fs::write(dir.path().join("key"), "x").unwrap();
        for text in ["key", "secrets/absent", "./absent", "../absent", "/usr/absent", "/", "."] {
            assert!(is_path(text, dir.path()), "{text}");
        }
        for text in ["", "hunter2", "/hunter2", "hunter2/a+b==", "/hunter2/x==", "a\nb", &"hunter2".repeat(999)] {
            assert!(text.is_empty() || !is_path(text, dir.path()), "{text}");
        }
    }

    #[test]
    fn one_trailing_line_break_is_trimmed_from_a_secret() {
        for (text, secret) in [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), ("\n", ""), ("", "")] {
            assert_eq!(trimmed(text), secret);
        }
    }
}
