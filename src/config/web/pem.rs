//! Reads certificates and private keys in PEM, in place or from a file. Messages never contain a key.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::text;
use crate::config::bounds::MAX_PEM_BYTES;
use crate::config::diagnostics::{Diagnostics, Problem};
use crate::config::parse::fields::Fields;
use crate::config::parse::source;
use crate::config::parse::value::Value;

/// A PEM text and the value that gives it.
pub(super) struct Pem<'a> {
    value: Value<'a>,
    text: SecretString,
    /// The file's path and a space, for messages; empty for a text in place.
    shown: String,
}

/// The PEM text in the file under `key_file`, or under `key`; the file takes precedence, as in the toolkit.
pub(super) fn read<'a>(
    fields: &'a Fields<'a>,
    (key, file_key): (&'a str, &'a str),
    base_dir: &Path,
    files: &mut Vec<PathBuf>,
    diagnostics: &mut Diagnostics,
) -> Option<Pem<'a>> {
    let inline = text(fields, key, "PEM text", diagnostics);
    let file = text(fields, file_key, "the path of a PEM file", diagnostics);
    match (inline, file) {
        (Some((value, text)), None) => Some(Pem { value, text: SecretString::from(text), shown: String::new() }),
        (inline, Some((value, path))) => {
            if inline.is_some() {
                let problem = Problem::new(format!("counts, and `{key}` beside it does not"), "keep one of the two");
                diagnostics.warn(value.place, value.path, problem);
            }
            if path.contains("-----BEGIN") {
                let problem = Problem::new("is PEM text and not a path", format!("write it under `{key}`"));
                value.report(problem, diagnostics);
                return None;
            }
            let path = base_dir.join(path);
            // Unreadable files are watched too, because they may be readable later.
            files.push(path.clone());
            match source::read_text(&path, MAX_PEM_BYTES) {
                Ok(source) => {
                    let shown = format!("{} ", path.display());
                    Some(Pem { value, text: SecretString::from(source.text), shown })
                }
                Err(unreadable) => {
                    let Problem { message, remedy } = unreadable.problem;
                    value.report(Problem::new(format!("{} {message}", path.display()), remedy), diagnostics);
                    None
                }
            }
        }
        (None, None) => None,
    }
}

// === impl Pem ===

impl Pem<'_> {
    /// Every certificate in it, at least one.
    pub(super) fn certificates(&self, diagnostics: &mut Diagnostics) -> Option<Vec<CertificateDer<'static>>> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.text.expose_secret().as_bytes()).collect();
        match all {
            Ok(all) if !all.is_empty() => Some(all),
            _ => {
                self.report(
                    "has no certificate in PEM",
                    "write `-----BEGIN CERTIFICATE-----` and what follows",
                    diagnostics,
                );
                None
            }
        }
    }

    /// The first private key in it.
    pub(super) fn key(&self, diagnostics: &mut Diagnostics) -> Option<PrivateKeyDer<'static>> {
        let text = self.text.expose_secret();
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok();
        if key.is_none() && text.contains("ENCRYPTED") {
            self.report(
                "has an encrypted key, and no password can be given for it",
                "write it without one",
                diagnostics,
            );
        } else if key.is_none() {
            self.report(
                "has no private key in PEM",
                "write `-----BEGIN PRIVATE KEY-----` and what follows",
                diagnostics,
            );
        }
        key
    }

    fn report(&self, message: &str, remedy: &str, diagnostics: &mut Diagnostics) {
        self.value.report(Problem::new(format!("{}{message}", self.shown), remedy), diagnostics);
    }
}
