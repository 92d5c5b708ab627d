//! The request of `healthcheck`. It accepts every certificate, because it sends nothing that is secret.

use reqwest::{Client, redirect};
use rustls::AlertDescription;
use rustls::crypto::ring;
use thiserror::Error;
use url::Url;

use super::errors::causes;

/// The response to a health request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HealthResponse {
    /// An HTTP response with this status.
    Status(u16),
    /// The server uses TLS and closed the connection because there was no client certificate.
    ClientCertificateRequired,
}

/// Why a health request has no response.
#[derive(Debug, Error)]
pub(crate) enum HealthRequestError {
    /// No connection, or no TLS session.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The server closed the connection or sent something that is not HTTP/1.
    #[error("did not answer in HTTP/1")]
    NotHttp,
}

/// Sends one GET request to `url`, whose scheme is `http` or `https`. A server of an `http` URL that does not respond with
/// HTTP is asked once more by TLS on the same port. Proxies and redirects are not followed.
pub(crate) async fn request_health(url: &Url) -> Result<HealthResponse, HealthRequestError> {
    // An error means that a provider is set already.
    let _ = ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("cxone-exporter/", env!("CARGO_PKG_VERSION")))
        .tls_danger_accept_invalid_certs(true)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .http1_only()
        .build()
        .map_err(|error| HealthRequestError::Unreachable(root_cause(&error)))?;
    match send(&client, url.clone()).await {
        Err(HealthRequestError::NotHttp) if url.scheme() == "http" => {
            let mut tls_url = url.clone();
            let is_set = tls_url.set_scheme("https").and_then(|()| tls_url.set_port(url.port_or_known_default()));
            is_set.map_err(|()| HealthRequestError::NotHttp)?;
            send(&client, tls_url).await.map_err(|_| HealthRequestError::NotHttp)
        }
        outcome => outcome,
    }
}

async fn send(client: &Client, url: Url) -> Result<HealthResponse, HealthRequestError> {
    let error = match client.get(url).send().await {
        Ok(response) => return Ok(HealthResponse::Status(response.status().as_u16())),
        Err(error) => error,
    };
    let tls = causes(&error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            Ok(HealthResponse::ClientCertificateRequired)
        }
        None if !error.is_connect() => Err(HealthRequestError::NotHttp),
        _ => Err(HealthRequestError::Unreachable(root_cause(&error))),
    }
}

/// The innermost error, which names the actual failure.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}
