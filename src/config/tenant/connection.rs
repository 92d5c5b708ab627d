//! The address of a tenant's API and the OAuth client: `base_url`, `domain`, `client_id`, `client_secret`.

use std::fmt::{self, Write as _};

use url::Url;

use super::ReadContext;
use super::official::{self, parse_id};
use super::secret::{self, CLIENT_SECRET, Secret};
use crate::config::diagnostics::Diagnostics;
use crate::config::parse::address;
use crate::config::parse::fields::Fields;
use crate::config::redacted_yaml::Quoted;

/// The address of a tenant's API and the OAuth client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// An address without a path; `https`, or `http` on loopback. For the presence API it is the API itself, for the
    /// official API the issuer or the area's host, from which the API address is discovered.
    pub base_url: Url,
    /// The OAuth client's id; empty for an access key without a client.
    pub client_id: String,
    /// The OAuth client's secret; empty for an access key without a client.
    pub client_secret: Secret,
}

// === impl ConnectionSettings ===

impl ConnectionSettings {
    /// The connection to `base_url` by this OAuth client.
    pub fn new(base_url: Url, client_id: impl Into<String>, client_secret: impl Into<Secret>) -> Self {
        Self { base_url, client_id: client_id.into(), client_secret: client_secret.into() }
    }

    /// The connection to the presence API in a tenant's `fields`.
    pub(crate) fn read(fields: &Fields<'_>, context: &ReadContext<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        official::refuse_official_only_keys(fields, diagnostics);
        let base_url = address::read(fields, diagnostics);
        let client_id =
            fields.required("client_id", "`client_id:` with the OAuth client's id", diagnostics).and_then(|value| {
                value.parse("the OAuth client's id", diagnostics, |text| parse_id(text, "the OAuth client's id"))
            });
        let client_secret = secret::read(fields, &CLIENT_SECRET, context.base_dir, context.world_readable, diagnostics);
        Some(Self { base_url: base_url?, client_id: client_id?, client_secret: client_secret? })
    }

    /// The address without a final slash.
    pub(crate) fn base_url_text(&self) -> &str {
        self.base_url.as_str().trim_end_matches('/')
    }

    /// Writes the OAuth client as keys of a tenant.
    pub(crate) fn write_client(&self, yaml: &mut String) -> fmt::Result {
        writeln!(yaml, "    client_id: {}", Quoted(&self.client_id))?;
        self.client_secret.write(yaml, &CLIENT_SECRET)
    }
}
