//! Classifies a broken exchange: DNS, connection, TLS, timeout, or the encoding of the body.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::{CertificateError, PeerIncompatible};

use super::redact::Redactor;
use crate::config::Api;
use crate::presence::Timestamp;
use crate::upstream::failure::{Failure, RetryPolicy, Scope, humanize};
use crate::upstream::{Endpoint, ErrorKind, ResponseCode};

/// The longest time to connect, DNS and TLS included. A reachable host needs a few round trips, and three times this
/// still fits into the default `request_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time to connect is at most one part in so many of `request_timeout`, so that an unreachable host is told from a
/// slow one.
const CONNECTS_PER_REQUEST: u32 = 2;

/// What messages say about the target of a request.
#[derive(Debug)]
pub(crate) struct Target {
    /// Host, and port unless it is the default.
    pub(crate) name: String,
    /// Decides which configuration keys a message names.
    pub(crate) api: Api,
    /// Whether the environment names a proxy, which may be what failed.
    pub(crate) proxied: bool,
    /// The status with which that proxy refused a tunnel.
    pub(crate) proxy_status: Option<u16>,
    /// `request_timeout`.
    pub(crate) request_timeout: Duration,
}

// === impl Target ===

impl Target {
    /// The configuration keys that the address comes from.
    pub(crate) const fn keys(&self) -> &'static str {
        match self.api {
            Api::Presence => "`domain` or `base_url`",
            Api::Official => "`issuer`, `area` or `api_endpoint`",
        }
    }
}

/// The time to connect within `request_timeout`.
pub(crate) fn connect_timeout(request_timeout: Duration) -> Duration {
    CONNECT_TIMEOUT.min(request_timeout / CONNECTS_PER_REQUEST)
}

/// Classifies a broken exchange: the code it counts as, and the failure.
pub(crate) fn classify_error(
    error: &reqwest::Error,
    endpoint: Endpoint,
    target: &Target,
    redactor: &Redactor,
) -> (ResponseCode, Failure) {
    let (name, keys) = (&target.name, target.keys());
    // Behind a proxy, the connection is to the proxy.
    let proxy =
        if target.proxied { " A proxy is set in the environment (HTTPS_PROXY); check that as well." } else { "" };
    let fail = |kind, message: String| Failure::new(endpoint, kind, message);

    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        let (reason, hint) = describe_tls_error(tls, keys);
        let reason = redactor.clean(&reason);
        let message = format!("TLS with {name} failed: {reason}. {hint}");
        return (ResponseCode::Connect, fail(ErrorKind::Tls, message).with_scope(Scope::Tenant));
    }
    if error.is_timeout() {
        let (message, scope) = if error.is_connect() {
            let limit = humanize(connect_timeout(target.request_timeout));
            let hint = "Check that a firewall lets this machine reach it.";
            (format!("No connection to {name} within {limit}. {hint}{proxy}"), Scope::Tenant)
        } else {
            let limit = humanize(target.request_timeout);
            let hint = match target.api {
                Api::Presence => "If it is only slow, raise `request_timeout` or lower `agents_per_request`.",
                Api::Official => "If it is only slow, raise `request_timeout`.",
            };
            (format!("{name} did not answer in full within {limit}. {hint}"), Scope::Request)
        };
        let failure = fail(ErrorKind::Timeout, message).with_retry(RetryPolicy::AfterBackoff).with_scope(scope);
        return (ResponseCode::Timeout, failure);
    }
    let root = causes(error).last().map_or_else(String::new, |cause| redactor.clean(&cause.to_string()));
    if error.is_dns() {
        let message = format!("The name {name} could not be resolved ({root}). Check {keys}, and DNS.{proxy}");
        let failure = fail(ErrorKind::Dns, message).with_retry(RetryPolicy::AfterBackoff).with_scope(Scope::Tenant);
        return (ResponseCode::Connect, failure);
    }
    if let Some(status) = target.proxy_status {
        let hint = match status {
            407 => "it wants other credentials than those in HTTPS_PROXY, or any",
            _ => "check that it may connect there, or name the host in NO_PROXY",
        };
        let message = format!("The proxy of HTTPS_PROXY refused a connection to {name} ({status}): {hint}.");
        let failure = fail(ErrorKind::Connect, message).with_retry(RetryPolicy::AfterBackoff).with_scope(Scope::Tenant);
        return (ResponseCode::Connect, failure);
    }
    if error.is_connect() {
        let hint = "and that a firewall lets this machine reach it.";
        let message = format!("No connection to {name} ({root}). Check {keys}, {hint}{proxy}");
        let failure = fail(ErrorKind::Connect, message).with_retry(RetryPolicy::AfterBackoff).with_scope(Scope::Tenant);
        return (ResponseCode::Connect, failure);
    }
    (ResponseCode::Connect, cut(endpoint, target, &root))
}

/// The code and the failure of a body that is not encoded as its header says.
pub(super) fn bad_encoding(reason: &io::Error, endpoint: Endpoint, target: &Target) -> (ResponseCode, Failure) {
    let name = &target.name;
    let message = format!("The response of {name} is not the compressed data that it says it is ({reason}).");
    (ResponseCode::Decode, Failure::new(endpoint, ErrorKind::Decode, message))
}

/// The code and the failure of compressed data that ends early, as on a connection that is cut.
pub(super) fn cut_encoding(endpoint: Endpoint, target: &Target) -> (ResponseCode, Failure) {
    let reason = "its compressed data ends early or has a wrong checksum";
    (ResponseCode::Connect, cut(endpoint, target, reason))
}

fn cut(endpoint: Endpoint, target: &Target, reason: &str) -> Failure {
    let message = format!("The connection to {} was cut before its answer was complete ({reason}).", target.name);
    Failure::new(endpoint, ErrorKind::Connect, message).with_retry(RetryPolicy::AfterBackoff)
}

/// The chain of causes, outermost first. `source` skips the error inside an [`io::Error`], so this looks into it.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The reason of a TLS failure, without a full stop, and what to do about it.
fn describe_tls_error(error: &rustls::Error, keys: &str) -> (String, String) {
    const TRUST: &str = "If a company or private CA issued it, add that CA to the system's store \
        (such as /usr/local/share/ca-certificates and update-ca-certificates), or let SSL_CERT_FILE name a bundle \
        that holds it.";
    const RENEW: &str = "It has to be renewed there, unless this machine's clock is wrong.";
    const VERSION: &str = "TLS 1.2 or 1.3 is needed.";
    let name = format!("Check {keys}.");
    let (reason, hint): (String, &str) = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => {
                ("the certificate is self-signed or issued by a CA that this machine does not trust".into(), TRUST)
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                (format!("the certificate expired on {}", day(not_after.as_secs())), RENEW)
            }
            CertificateError::Expired => ("the certificate has expired".into(), RENEW),
            CertificateError::NotValidYetContext { not_before, .. } => {
                (format!("the certificate is valid only from {}", day(not_before.as_secs())), RENEW)
            }
            CertificateError::NotValidYet => ("the certificate is not valid yet".into(), RENEW),
            CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
                (format!("the certificate is for another name ({})", presented.join(", ")), &name)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ("the certificate is for another name".into(), &name)
            }
            CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                ("the signature of the certificate cannot be verified".into(), TRUST)
            }
            CertificateError::Revoked => ("the certificate has been revoked".into(), RENEW),
            other => (format!("the certificate was refused ({other})"), TRUST),
        },
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        )
        | rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion) => {
            ("the server supports only versions of TLS that are no longer safe".into(), VERSION)
        }
        rustls::Error::InvalidMessage(_) => {
            let port = format!("Check the port in {keys}: the server there may not use TLS.");
            return ("the response is not TLS".into(), port);
        }
        other => (other.to_string(), VERSION),
    };
    (reason, hint.to_owned())
}

fn day(unix_seconds: u64) -> String {
    let moment = Timestamp::from_seconds(i64::try_from(unix_seconds).unwrap_or(i64::MAX)).to_string();
    moment.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    #[test]
    fn tls_errors_name_the_reason_and_a_hint() {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        let past = UnixTime::since_unix_epoch(Duration::from_secs(1_600_000_000));
        let certificate = rustls::Error::InvalidCertificate;
        let table = [
            (
                certificate(CertificateError::UnknownIssuer),
                "the certificate is self-signed or issued by a CA that this machine does not trust",
                "If a company",
            ),
            (
                certificate(CertificateError::ExpiredContext { time, not_after: past }),
                "the certificate expired on 2020-09-13",
                "It has to be renewed",
            ),
            (certificate(CertificateError::Expired), "the certificate has expired", "It has to be renewed"),
            (
                certificate(CertificateError::NotValidYetContext { time: past, not_before: time }),
                "the certificate is valid only from 2023-11-14",
                "It has to be renewed",
            ),
            (
                certificate(CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("acme.example.com").unwrap(),
                    presented: vec!["DnsName(\"other.example.com\")".into()],
                }),
                "the certificate is for another name (DnsName(\"other.example.com\"))",
                "Check `domain`",
            ),
            (certificate(CertificateError::NotValidForName), "the certificate is for another name", "Check `domain`"),
            (certificate(CertificateError::Revoked), "the certificate has been revoked", "It has to be renewed"),
            (
                certificate(CertificateError::BadSignature),
                "the signature of the certificate cannot be verified",
                "If a company",
            ),
            (
                rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion),
                "the server supports only versions of TLS that are no longer safe",
                "TLS 1.2 or 1.3",
            ),
            (
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                "the response is not TLS",
                "Check the port",
            ),
        ];
        for (error, reason, hint) in table {
            let (actual_reason, actual_hint) = describe_tls_error(&error, "`domain` or `base_url`");
            assert_eq!(actual_reason, reason);
            assert!(actual_hint.starts_with(hint), "{reason}: {actual_hint}");
        }
    }

    #[test]
    fn a_tls_error_inside_an_io_error_is_found() {
        let inside = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(inside));
        assert!(causes(&wrapped).any(<dyn Error>::is::<rustls::Error>));
    }
}
