//! Verifies client certificates: the five policies of `client_auth_type`, and the allowed names.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::web::{ClientAuth, TlsSettings};

/// Verifies the certificates of clients.
struct ClientCertificates {
    provider: Arc<CryptoProvider>,
    /// Verifies the chain, if the policy requires it.
    chain: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    /// If set, a certificate must have one of these names.
    allowed: Option<Vec<String>>,
}

/// The verifier for `settings`; `None` if clients are not asked for a certificate.
///
/// # Errors
///
/// If the client CA cannot be used.
pub(super) fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let (verify, mandatory) = match settings.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Request => (false, false),
        ClientAuth::RequireAny => (false, true),
        ClientAuth::VerifyIfGiven => (true, false),
        ClientAuth::RequireAndVerify => (true, true),
    };
    let chain = if verify {
        let mut roots = RootCertStore::empty();
        for certificate in &settings.client_cas {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("client_ca: a certificate cannot be used: {error}"))?;
        }
        if settings.client_cas.is_empty() {
            // As in Go, the system's root certificates. Those that cannot be parsed are skipped.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        Some(builder.build().map_err(|error| format!("client_ca: {error}"))?)
    } else {
        None
    };
    let allowed = settings.client_allowed_sans.clone();
    // A required name requires a certificate.
    let mandatory = mandatory || allowed.is_some();
    Ok(Some(Arc::new(ClientCertificates { provider: Arc::clone(provider), chain, mandatory, allowed })))
}

// === impl ClientCertificates ===

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.chain {
            Some(chain) => {
                chain.verify_client_cert(end_entity, intermediates, now)?;
            }
            // The chain is not verified, but it must be a certificate.
            None => {
                ParsedCertificate::try_from(end_entity)?;
            }
        }
        if let Some(allowed) = &self.allowed {
            let names = subject_alt_names(end_entity).ok_or(CertificateError::BadEncoding)?;
            if !names.iter().any(|name| allowed.contains(name)) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The DNS names, e-mail addresses, IP addresses and URIs in the subjectAltName; `None` if the certificate cannot be parsed.
///
/// webpki reads only DNS names and URIs; the exporter-toolkit compares e-mail and IP addresses as well.
fn subject_alt_names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let Some(extension) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    Some(extension.value.general_names.iter().filter_map(name).collect())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::RFC822Name(name) | GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
            .map(|octets| Ipv4Addr::from(octets).to_string())
            .or_else(|_| <[u8; 16]>::try_from(*octets).map(|octets| Ipv6Addr::from(octets).to_string()))
            .ok(),
        _ => None,
    }
}
