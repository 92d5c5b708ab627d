//! Reads `tls_server_config`.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::crypto::ring::cipher_suite as suites;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, SupportedCipherSuite};

use super::scalar::boolean;
use super::{fields_of, none_of, pem, text};
use crate::config::diagnostics::{Diagnostics, Problem, quoted};
use crate::config::keys::WEB_TLS;
use crate::config::parse::fields::Fields;
use crate::config::parse::value::Value;

/// The TLS settings of the server.
pub struct TlsSettings {
    /// The server's certificate chain.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The server's key.
    pub key: PrivateKeyDer<'static>,
    /// The CAs of client certificates; empty uses the system root certificates.
    pub client_cas: Vec<CertificateDer<'static>>,
    /// How client certificates are requested and verified.
    pub client_auth: ClientAuth,
    /// If given, a client certificate must have one of these names.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The minimum version.
    pub min_version: TlsVersion,
    /// The maximum version.
    pub max_version: TlsVersion,
    /// The configured TLS 1.2 cipher suites; those of TLS 1.3 are always enabled, as in Go.
    pub cipher_suites: Option<Vec<SupportedCipherSuite>>,
    /// Whether the server's order of cipher suites is preferred.
    pub prefer_server_cipher_suites: bool,
    /// The configured key exchange groups, in order of preference.
    pub curves: Vec<Curve>,
}

/// How client certificates are requested and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No certificate is requested.
    #[default]
    None,
    /// A certificate is requested, but neither required nor verified.
    Request,
    /// A certificate is required, but not verified.
    RequireAny,
    /// A certificate is optional, and verified if given.
    VerifyIfGiven,
    /// A verified certificate is required.
    RequireAndVerify,
}

/// A supported TLS version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// A key exchange group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// X25519.
    X25519,
}

/// Policies by their names; the one before the last is the old name of `RequireAnyClientCert`.
const POLICIES: [(&str, ClientAuth); 6] = [
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireClientCert", ClientAuth::RequireAny),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

/// Suites by Go's names.
const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", suites::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", suites::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suites::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// One of these is required for HTTP/2 over TLS 1.2 (RFC 9113, section 9.2.2; Go wants one as well).
const OF_HTTP2: [CipherSuite; 2] =
    [CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];

const VERSIONS: [&str; 2] = ["TLS12", "TLS13"];
const CURVES: [(&str, Curve); 3] = [("CurveP256", Curve::P256), ("CurveP384", Curve::P384), ("X25519", Curve::X25519)];

/// The most entries of a list; real lists have a few.
const MAX_LIST: usize = 1_000;

/// Reads `tls_server_config`; `None` where it sets nothing, as in the toolkit. `http2` is the setting of the file.
pub(super) fn read(
    value: &Value<'_>,
    http2: bool,
    base_dir: &Path,
    files: &mut Vec<PathBuf>,
    diagnostics: &mut Diagnostics,
) -> Option<TlsSettings> {
    let fields = fields_of(value, WEB_TLS, diagnostics)?;
    let (cert, key) = (("cert", "cert_file"), ("key", "key_file"));
    let wanted = ["cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type"];
    let is_wanted = wanted.into_iter().any(|key| fields.get(key).is_some());
    if !is_wanted {
        let problem = Problem::new("has no certificate, so there is no TLS", "give cert_file and key_file, or drop it");
        diagnostics.warn(value.place, value.path, problem);
    }
    let before = diagnostics.error_count();
    let cert = pem::read(&fields, cert, base_dir, files, diagnostics);
    let key = pem::read(&fields, key, base_dir, files, diagnostics);
    if is_wanted && before == diagnostics.error_count() {
        for (there, key, file) in [(cert.is_some(), "cert", "cert_file"), (key.is_some(), "key", "key_file")] {
            if !there {
                fields.missing(key, None, &format!("`{file}:` with a path, or `{key}:` with PEM text"), diagnostics);
            }
        }
    }
    let certificates = cert.and_then(|pem| pem.certificates(diagnostics));
    let key = key.and_then(|pem| pem.key(diagnostics));
    let ca = pem::read(&fields, ("client_ca", "client_ca_file"), base_dir, files, diagnostics);
    let has_ca = ca.is_some();
    let client_cas = ca.and_then(|pem| pem.certificates(diagnostics)).unwrap_or_default();
    let client_auth = client_auth(&fields, has_ca, diagnostics);
    let client_allowed_sans = allowed_sans(&fields, client_auth, has_ca, diagnostics);
    let min_version = version(&fields, "min_version", diagnostics)?;
    let max_version = version(&fields, "max_version", diagnostics)?;
    if min_version > max_version {
        let message = "the least version, `min_version`, is greater than the greatest, `max_version`";
        value.report(Problem::new(message, "swap them"), diagnostics);
    }
    let cipher_suites = cipher_suites(&fields, min_version, max_version, http2, diagnostics);
    let curves = curves(&fields, diagnostics);
    let prefer_server_cipher_suites = fields.read("prefer_server_cipher_suites", diagnostics, boolean)?;
    Some(TlsSettings {
        certificates: certificates?,
        key: key?,
        client_cas,
        client_auth,
        client_allowed_sans,
        min_version,
        max_version,
        cipher_suites,
        prefer_server_cipher_suites,
        curves,
    })
}

fn client_auth(fields: &Fields<'_>, has_ca: bool, diagnostics: &mut Diagnostics) -> ClientAuth {
    let example = "one of the policies, such as RequireAndVerifyClientCert";
    let policy = text(fields, "client_auth_type", example, diagnostics);
    let client_auth = policy.and_then(|(value, name)| {
        let found = POLICIES.into_iter().find(|(known, _)| *known == name);
        if found.is_none() {
            value.report(none_of(&quoted(name), &POLICIES.map(|(name, _)| name)), diagnostics);
        }
        found.map(|(_, policy)| policy)
    });
    let known = client_auth.is_some() || policy.is_none();
    let client_auth = client_auth.unwrap_or_default();
    if known && has_ca && client_auth == ClientAuth::None {
        let message = "a client CA is given, and no client is asked for a certificate";
        diagnostics.error(
            fields.place,
            fields.path,
            Problem::new(message, "write `client_auth_type: RequireAndVerifyClientCert`"),
        );
    }
    if !has_ca && matches!(client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify) {
        let message = "no client CA is given, so a client certificate of any CA that this system trusts is accepted";
        diagnostics.warn(fields.place, fields.path, Problem::new(message, "write `client_ca_file:` with its path"));
    }
    client_auth
}

fn allowed_sans(
    fields: &Fields<'_>,
    client_auth: ClientAuth,
    has_ca: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<String>> {
    let value = fields.get("client_allowed_sans")?;
    let example = "a list of DNS names, IP addresses, e-mail addresses or URIs";
    let items = value.items(example, MAX_LIST, diagnostics)?;
    let items: Vec<_> = items.collect();
    let sans: Vec<_> =
        items.iter().filter_map(|item| item.text("a name, in quotes", diagnostics)).map(ToOwned::to_owned).collect();
    if client_auth == ClientAuth::None {
        let message = "no client is asked for a certificate, so these names have no effect";
        let problem = Problem::new(message, "write `client_auth_type: RequireAndVerifyClientCert`");
        diagnostics.warn(value.place, value.path, problem);
    } else if items.is_empty() {
        let problem = Problem::new("refuses every client, as it has no names", "write the clients' names, or drop it");
        diagnostics.warn(value.place, value.path, problem);
    } else if has_ca && matches!(client_auth, ClientAuth::Request | ClientAuth::RequireAny) {
        let message = "certificates are not verified with this policy, so any client can create one with such a name";
        let problem = Problem::new(message, "write `client_auth_type: RequireAndVerifyClientCert`");
        diagnostics.warn(value.place, value.path, problem);
    }
    Some(sans)
}

fn version(fields: &Fields<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<TlsVersion> {
    fields.read(key, diagnostics, |value, diagnostics| {
        let problem = match value.text("TLS12 or TLS13", diagnostics)? {
            "TLS12" => return Some(TlsVersion::V12),
            "TLS13" => return Some(TlsVersion::V13),
            // An empty text counts as missing, as in Go.
            "" => return None,
            name @ ("TLS10" | "TLS11") => {
                Problem::new(format!("{} is not offered: it is broken", quoted(name)), "write TLS12 or TLS13")
            }
            other => none_of(&quoted(other), &VERSIONS),
        };
        value.report(problem, diagnostics);
        None
    })
}

fn cipher_suites(
    fields: &Fields<'_>,
    min_version: TlsVersion,
    max_version: TlsVersion,
    http2: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<SupportedCipherSuite>> {
    let value = fields.get("cipher_suites")?;
    let items: Vec<_> = value.items("a list of cipher suites by Go's names", MAX_LIST, diagnostics)?.collect();
    let mut chosen = Vec::with_capacity(items.len());
    for item in &items {
        let Some(name) = item.text("the name of a cipher suite", diagnostics) else { continue };
        match SUITES.into_iter().find(|(known, _)| *known == name) {
            Some((_, suite)) => chosen.push(suite),
            None => {
                let message = if name.starts_with("TLS_")
                    && (name.contains("_CBC_") || name.starts_with("TLS_RSA_") || name.contains("_RC4_"))
                {
                    format!("{} is not offered: it is weak", quoted(name))
                } else {
                    format!("{} is not known", quoted(name))
                };
                let names = SUITES.map(|(name, _)| name).join(", ");
                item.report(Problem::new(message, format!("leave it out; there are {names}")), diagnostics);
            }
        }
    }
    if chosen.is_empty() {
        return None;
    }
    if http2 && min_version == TlsVersion::V12 && !chosen.iter().any(|suite| OF_HTTP2.contains(&suite.suite())) {
        let message = "HTTP/2 needs a suite of TLS 1.2 that is not among these";
        let remedy = "add TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, or write \
                      `http2: false` below `http_server_config`";
        value.report(Problem::new(message, remedy), diagnostics);
    }
    chosen.retain(|suite| suite.tls13().is_none());
    if chosen.is_empty() && max_version == TlsVersion::V12 {
        let message = "none of these is of TLS 1.2, and `max_version` is TLS12";
        value.report(Problem::new(message, "add one that begins with `TLS_ECDHE_`"), diagnostics);
    }
    Some(chosen)
}

fn curves(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Vec<Curve> {
    let Some(value) = fields.get("curve_preferences") else { return Vec::new() };
    let Some(items) = value.items("a list of curves", MAX_LIST, diagnostics) else { return Vec::new() };
    let items: Vec<_> = items.collect();
    let mut chosen = Vec::new();
    for item in &items {
        let Some(name) = item.text("the name of a curve", diagnostics) else { continue };
        match CURVES.into_iter().find(|(known, _)| *known == name) {
            Some((_, curve)) => chosen.push(curve),
            None if name == "CurveP521" => {
                let remedy = "leave it out; there are CurveP256, CurveP384, X25519";
                item.report(Problem::new("`CurveP521` is not offered", remedy), diagnostics);
            }
            None => item.report(none_of(&quoted(name), &CURVES.map(|(name, _)| name)), diagnostics),
        }
    }
    chosen
}

// === impl TlsSettings ===

impl Clone for TlsSettings {
    fn clone(&self) -> Self {
        Self {
            certificates: self.certificates.clone(),
            key: self.key.clone_key(),
            client_cas: self.client_cas.clone(),
            client_auth: self.client_auth,
            client_allowed_sans: self.client_allowed_sans.clone(),
            min_version: self.min_version,
            max_version: self.max_version,
            cipher_suites: self.cipher_suites.clone(),
            prefer_server_cipher_suites: self.prefer_server_cipher_suites,
            curves: self.curves.clone(),
        }
    }
}

impl PartialEq for TlsSettings {
    fn eq(&self, other: &Self) -> bool {
        let names = |suites: &Option<Vec<SupportedCipherSuite>>| {
            suites.as_ref().map(|all| all.iter().map(SupportedCipherSuite::suite).collect::<Vec<_>>())
        };
        self.certificates == other.certificates
            && self.key.secret_der() == other.key.secret_der()
            && self.client_cas == other.client_cas
            && self.client_auth == other.client_auth
            && self.client_allowed_sans == other.client_allowed_sans
            && (self.min_version, self.max_version) == (other.min_version, other.max_version)
            && names(&self.cipher_suites) == names(&other.cipher_suites)
            && self.prefer_server_cipher_suites == other.prefer_server_cipher_suites
            && self.curves == other.curves
    }
}

/// Omits keys and names.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("client_auth", &self.client_auth)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .finish_non_exhaustive()
    }
}
