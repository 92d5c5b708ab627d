//! Parses `domain` and `base_url`. Plain http is accepted for loopback addresses only.
//!
//! Messages do not repeat the address, because it may contain a password.

use url::{Host, Url};

use super::fields::Fields;
use crate::config::diagnostics::{Diagnostics, Problem};

const DOMAIN_EXAMPLE: &str = "the host alone, such as `acme.example.com`";
const BASE_URL_EXAMPLE: &str = "an address, such as `https://acme.example.com`";

/// The address that `domain` or `base_url` gives.
pub(crate) fn read(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Url> {
    match (fields.get("domain"), fields.get("base_url")) {
        (Some(domain), None) => domain.parse(DOMAIN_EXAMPLE, diagnostics, from_domain),
        (None, Some(base_url)) => base_url.parse(BASE_URL_EXAMPLE, diagnostics, from_base_url),
        (Some(_), Some(base_url)) => {
            base_url.report(Problem::new("is given beside `domain`", "keep one of the two"), diagnostics);
            None
        }
        (None, None) => {
            let example = "`domain:` with the tenant's host, or `base_url:` with its address in full";
            fields.missing("domain", Some("base_url"), example, diagnostics);
            None
        }
    }
}

fn from_domain(text: &str) -> Result<Url, Problem> {
    let message = if text.contains("://") {
        "has a scheme"
    } else if text.contains('@') {
        "has a user or a password"
    } else if text.contains(['/', '?', '#', '\\']) {
        "has a path"
    } else {
        return Url::parse(&format!("https://{text}/"))
            .ok()
            .filter(|url| is_bare(url) && !text.contains(char::is_whitespace))
            .ok_or_else(|| Problem::new("is not a host", format!("write {DOMAIN_EXAMPLE}")));
    };
    // The host for the remedy; omitted where the text has a user or a password.
    let meant = Url::parse(text).or_else(|_| Url::parse(&format!("https://{text}"))).ok();
    let host = meant.as_ref().filter(|url| url.username().is_empty() && url.password().is_none()).and_then(authority);
    let remedy = match (host, meant) {
        (Some(host), Some(url)) if url.scheme() == "http" && is_loopback(&url) => {
            format!("write `base_url: http://{host}` instead of `domain`")
        }
        (Some(host), _) => format!("write `{host}`"),
        (None, _) => format!("write {DOMAIN_EXAMPLE}"),
    };
    Err(Problem::new(message, remedy))
}

pub(crate) fn from_base_url(text: &str) -> Result<Url, Problem> {
    let example = format!("write {BASE_URL_EXAMPLE}");
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() && !text.contains(char::is_whitespace) => url,
        _ if !text.contains("://") => return Err(Problem::new("has no scheme", example)),
        _ => return Err(Problem::new("is not an address", example)),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new("has a user or a password", "write it without; `client_id` and its secret are used"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let message = "sends the secret in the clear: http is for this machine only";
            return Err(Problem::new(message, "write `https://`"));
        }
        _ => return Err(Problem::new("is neither https nor http", example)),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Problem::new("has a query or a fragment", "end it after the host"));
    }
    if !is_bare(&url) {
        let host = authority(&url).unwrap_or_default();
        let remedy = format!("write `{}://{host}`, as the API's paths are known", url.scheme());
        return Err(Problem::new("has a path", remedy));
    }
    Ok(url)
}

/// Whether `url`, parsed from `text`, is a host without port, path and user.
pub(crate) fn is_host_alone(url: &Url, text: &str) -> bool {
    let is_clean = |c: char| !c.is_whitespace() && !matches!(c, '*' | ':' | '@' | '/' | '?' | '#' | '\\');
    is_bare(url) && url.port().is_none() && !text.is_empty() && text.chars().all(is_clean)
}

fn is_bare(url: &Url) -> bool {
    // The URL standard gives every https address a path; `/` is the empty one.
    url.path().trim_end_matches('/').is_empty()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Whether the host is a loopback address, for which http is accepted.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Host and port, without the scheme's default port.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_becomes_an_https_url() {
        let table = [
            ("acme.example.com", "https://acme.example.com/"),
            ("acme.example.com:8443", "https://acme.example.com:8443/"),
            ("ACME.example.com", "https://acme.example.com/"),
            ("127.0.0.1:1", "https://127.0.0.1:1/"),
            ("[::1]", "https://[::1]/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
        ];
        for (text, url) in table {
            assert_eq!(from_domain(text).map(String::from).as_deref(), Ok(url), "{text}");
        }
    }

    #[test]
    fn domain_must_be_a_bare_host() {
        let example = "write the host alone, such as `acme.example.com`";
        let table = [
            ("https://acme.example.com", "write `acme.example.com`"),
            ("https://acme.example.com:8443/x?y", "write `acme.example.com:8443`"),
            ("http://127.0.0.1:9/", "write `base_url: http://127.0.0.1:9` instead of `domain`"),
            ("acme.example.com/api", "write `acme.example.com`"),
            ("user:word@acme.example.com", example),
            ("https://user:word@acme.example.com", example),
            ("", example),
            ("acme example", example),
            ("acme:port", example),
        ];
        for (text, remedy) in table {
            assert_eq!(from_domain(text).unwrap_err().remedy, remedy, "{text}");
        }
    }

    #[test]
    fn base_url_is_an_origin_with_https_or_loopback() {
        let table = [
            ("https://acme.example.com", Ok("https://acme.example.com/")),
            ("https://acme.example.com/", Ok("https://acme.example.com/")),
            ("http://localhost:8080", Ok("http://localhost:8080/")),
            ("http://127.255.0.1", Ok("http://127.255.0.1/")),
            ("http://[::1]:80/", Ok("http://[::1]/")),
            ("http://acme.example.com", Err("sends the secret in the clear: http is for this machine only")),
            ("http://localhost.example.com", Err("sends the secret in the clear: http is for this machine only")),
            ("http://128.0.0.1", Err("sends the secret in the clear: http is for this machine only")),
            ("http://[::2]", Err("sends the secret in the clear: http is for this machine only")),
            ("https://u:p@acme.example.com", Err("has a user or a password")),
            ("http://u@acme.example.com", Err("has a user or a password")),
            ("https://acme.example.com?x", Err("has a query or a fragment")),
            ("https://acme.example.com#x", Err("has a query or a fragment")),
            ("https://acme.example.com/api", Err("has a path")),
            ("ftp://acme.example.com", Err("is neither https nor http")),
            ("acme.example.com", Err("has no scheme")),
            ("https://", Err("is not an address")),
            ("https://a b", Err("is not an address")),
            ("mailto:x", Err("has no scheme")),
        ];
        for (text, expected) in table {
            let found = from_base_url(text).map(String::from).map_err(|problem| problem.message);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
