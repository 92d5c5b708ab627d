//! A secret of token requests. It is read from its file for each, so that a rotated secret needs no reload.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Secret;
use crate::upstream::Endpoint;
use crate::upstream::failure::run_blocking;
use crate::upstream::http::Client;

/// A secret and its file, if any.
pub(crate) struct Credential {
    secret: Secret,
    /// The last secret that could be read.
    last: Mutex<SecretString>,
    /// Whether the file could not be read last time.
    unreadable: AtomicBool,
}

// === impl Credential ===

impl Credential {
    pub(crate) fn new(secret: &Secret) -> Self {
        let last = Mutex::new(secret.value.clone());
        Self { secret: secret.clone(), last, unreadable: AtomicBool::new(false) }
    }

    /// The secret for the next token request. A file that cannot be read, as while it is being replaced, is logged, and the
    /// last secret is used.
    pub(crate) async fn current(&self, client: &Client) -> SecretString {
        let Some(path) = &self.secret.file else { return self.secret.value.clone() };
        let secret = self.secret.clone();
        let read = run_blocking(Endpoint::Token, move || secret.reread()).await;
        let read = read.unwrap_or_else(|failure| Err(failure.error.message));
        let (tenant, path) = (&client.tenant, path.display());
        let was_unreadable = self.unreadable.swap(read.is_err(), Ordering::Relaxed);
        match &read {
            Err(reason) if !was_unreadable => {
                tracing::warn!(tenant, %path, reason, "secret file not read; last secret used");
            }
            Ok(_) if was_unreadable => tracing::info!(tenant, %path, "secret file readable again"),
            _ => {}
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(read) = read {
            client.redactor().learn_secret(read.expose_secret());
            *last = read;
        }
        last.clone()
    }
}
