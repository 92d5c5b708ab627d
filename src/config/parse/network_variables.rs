//! Checks the variables of proxies and root certificates. The HTTP client ignores those that it cannot use, so that requests
//! would go out without a proxy, or fail for reasons that do not name the variable.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use url::Url;

use crate::config::ConfigError;
use crate::config::diagnostics::{Diagnostics, Problem};

/// The variables that name a proxy.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Begins a certificate in PEM, also a trusted one of OpenSSL.
const PEM_CERTIFICATE: [&str; 2] = ["-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----"];

/// The warnings about the variables of `env` that say how requests are sent.
///
/// # Errors
///
/// When a proxy is not given as a URL. Messages do not repeat the value, because it may have a password.
pub fn check_network_variables(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<String>, ConfigError> {
    let mut diagnostics = Diagnostics::default();
    let place = diagnostics.add_source("environment");
    let value = |name: &str| env(name).filter(|value| !value.is_empty());
    for name in PROXIES {
        if let Some(value) = value(name) {
            let text = value.to_str().unwrap_or_default().trim();
            if !is_proxy(text) {
                let remedy = "write one such as `http://proxy.example.com:3128`, or unset it";
                diagnostics.error(place, name, Problem::new("is not the URL of an HTTP proxy", remedy));
            }
        }
    }
    if let Some(file) = value("SSL_CERT_FILE").map(PathBuf::from)
        && let Some(message) = certificates_problem(&file)
    {
        let problem =
            Problem::new(format!("{} {message}", file.display()), "check the path; no certificate is trusted by it");
        diagnostics.warn(place, "SSL_CERT_FILE", problem);
    }
    if let Some(folders) = value("SSL_CERT_DIR") {
        for folder in std::env::split_paths(&folders) {
            if let Err(error) = fs::read_dir(&folder) {
                let message = format!("{} cannot be read: {error}", folder.display());
                diagnostics.warn(place, "SSL_CERT_DIR", Problem::new(message, "check the path"));
            }
        }
    }
    diagnostics.into_warnings()
}

/// Whether the HTTP client can use `text` as a proxy: a URL of http or https, or a host with or without a port.
fn is_proxy(text: &str) -> bool {
    let has_host = |url: &Url| url.host_str().is_some_and(|host| !host.is_empty());
    if text.contains("://") {
        return Url::parse(text).is_ok_and(|url| has_host(&url) && matches!(url.scheme(), "http" | "https"));
    }
    Url::parse(&format!("http://{text}"))
        .is_ok_and(|url| has_host(&url) && !text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#')))
}

/// Why the bundle in `file` has no certificates; `None` where it has some.
fn certificates_problem(file: &Path) -> Option<String> {
    match fs::metadata(file).and_then(|metadata| if metadata.is_file() { fs::read(file) } else { Ok(Vec::new()) }) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let has_certificate = PEM_CERTIFICATE.iter().any(|start| text.contains(start));
            (!has_certificate).then(|| "has no certificate in PEM".to_owned())
        }
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<Vec<String>, String> {
        let env = |wanted: &str| (wanted == name).then(|| OsString::from(value));
        check_network_variables(&env).map_err(|error| error.to_string())
    }

    #[test]
    fn proxy_that_is_no_url_is_an_error() {
        for value in ["http://proxy.example.com:3128", "https://user:hunter2@proxy:3128/", "proxy:3128", "10.0.0.1", ""]
        {
            assert_eq!(check("HTTPS_PROXY", value), Ok(Vec::new()), "{value}");
        }
        for value in ["http://", "http//proxy:3128", "proxy:port", "socks5://proxy:1080", "http:/hunter2 x", "://proxy"]
        {
            for name in PROXIES {
                let expected = format!(
                    "environment: {name}: is not the URL of an HTTP proxy; write one such as \
                     `http://proxy.example.com:3128`, or unset it"
                );
                assert_eq!(check(name, value), Err(expected), "{value}");
            }
        }
    }

    #[test]
    fn unreadable_ssl_cert_file_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        fs::write(path("good"), "# CA\n-----BEGIN CERTIFICATE-----\n").unwrap();
        fs::write(path("empty"), "").unwrap();
        assert_eq!(check("SSL_CERT_FILE", &path("good")), Ok(Vec::new()));
        for (name, reason) in
            [("absent", "cannot be read: No such file"), ("empty", "has no certificate in PEM"), (".", "has no")]
        {
            let warnings = check("SSL_CERT_FILE", &path(name)).unwrap();
            let start = format!("environment: SSL_CERT_FILE: {} {reason}", path(name));
            assert!(matches!(&*warnings, [one] if one.starts_with(&start)), "{name}: {warnings:?}");
        }
        assert_eq!(check("SSL_CERT_DIR", &path(".")), Ok(Vec::new()));
        assert_eq!(check("SSL_CERT_DIR", &format!("{}:{}", path("absent"), path("."))).unwrap().len(), 1);
    }
}
