//! Converts the TLS settings of the web configuration to those of rustls.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::crypto::ring::kx_group;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::client_certificates;
use crate::config::web::{ClientAuth, Curve, TlsSettings, TlsVersion};

/// The rustls configuration for `settings`.
///
/// # Errors
///
/// If settings contradict each other, such as a certificate and the key of another one.
pub(super) fn server_config(settings: &TlsSettings, http2: bool) -> Result<Arc<ServerConfig>, String> {
    let mut provider = ring::default_provider();
    if let Some(chosen) = &settings.cipher_suites {
        // As in Go, the setting does not apply to TLS 1.3, whose suites are all secure. The configured order is the preference.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(chosen);
    }
    if !settings.curves.is_empty() {
        provider.kx_groups = settings
            .curves
            .iter()
            .map(|curve| match curve {
                Curve::P256 => kx_group::SECP256R1,
                Curve::P384 => kx_group::SECP384R1,
                Curve::X25519 => kx_group::X25519,
            })
            .collect();
    }
    let provider = Arc::new(provider);
    let span = settings.min_version..=settings.max_version;
    let versions: Vec<&SupportedProtocolVersion> = [(TlsVersion::V12, &TLS12), (TlsVersion::V13, &TLS13)]
        .into_iter()
        .filter_map(|(version, offered)| span.contains(&version).then_some(offered))
        .collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| format!("versions and cipher suites do not go together: {error}"))?;
    let builder = match client_certificates::verifier(settings, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(settings.certificates.clone(), settings.key.clone_key())
        .map_err(|error| format!("certificate and key do not go together: {error}"))?;
    if settings.client_auth != ClientAuth::None {
        // A resumed session would admit a client whose certificate has expired since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.ignore_client_order = settings.prefer_server_cipher_suites;
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}
