//! Which of the addresses that discovery or an answer hands out are asked.
//!
//! A token goes to each of them, so one that is none of the tenant's must never be asked, whoever names it.

use url::{Host, Url};

use crate::config::is_loopback;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::{Endpoint, ErrorKind};

/// NICE's own domains, of which every host is trusted. Both are seen to serve the API.
const OWN_DOMAINS: [&str; 2] = ["niceincontact.com", "nice-incontact.com"];

/// Knows the hosts that may be asked.
#[derive(Debug)]
pub(super) struct TrustedHosts {
    /// What is configured: the issuer or the area's host, and the API's address where that is set by hand.
    configured: Vec<Url>,
    /// A name, or `.suffix`; lower case.
    allowed_hosts: Vec<String>,
    /// Whether addresses by http will do, as they do where the issuer itself is on this machine.
    plain: bool,
}

// === impl TrustedHosts ===

impl TrustedHosts {
    pub(super) fn new(issuer: &Url, api_endpoint: Option<&Url>, allowed_hosts: &[String]) -> Self {
        Self {
            configured: std::iter::once(issuer).chain(api_endpoint).cloned().collect(),
            allowed_hosts: allowed_hosts.to_vec(),
            plain: issuer.scheme() == "http",
        }
    }

    /// The address that `text` is, seen from `base`; `what` says where it was found.
    ///
    /// # Errors
    ///
    /// When it is none, or nobody vouches for it. The message names its host and nothing else of it.
    pub(super) fn check(&self, text: &str, base: &Url, what: &str, endpoint: Endpoint) -> Result<Url, Failure> {
        let fail =
            |message: String| Err(Failure::new(endpoint, ErrorKind::ForeignAddress, message).with_scope(Scope::Tenant));
        let Some(url) = base.join(text).ok().filter(Url::has_host) else {
            return fail(format!("{what} is not an address, so nothing is sent there."));
        };
        let host = shown(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return fail(format!("{what} leads to {host} with a user or a password in it, so nothing is sent there."));
        }
        let secure = url.scheme() == "https" || (url.scheme() == "http" && self.plain && is_loopback(&url));
        if !secure {
            return fail(format!("{what} leads to {host} by {}, not https, so nothing is sent there.", url.scheme()));
        }
        if !self.vouches_for(&url) {
            return fail(format!(
                "{what} leads to {host}, which is neither the issuer's host nor one of NICE's, so nothing is sent there. \
                If it is the tenant's own, add it to `allowed_hosts`."
            ));
        }
        Ok(url)
    }

    fn vouches_for(&self, url: &Url) -> bool {
        if self.configured.iter().any(|configured| configured.host() == url.host()) {
            return true;
        }
        let Some(host) = url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase()) else {
            return false;
        };
        // An address in digits is under no domain.
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        let under = |domain: &str| {
            is_name && host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        OWN_DOMAINS.into_iter().any(under)
            || self.allowed_hosts.iter().any(|allowed| match allowed.strip_prefix('.') {
                Some(suffix) => host != suffix && under(suffix),
                None => host == *allowed,
            })
    }
}

/// The host, in a form fit for a message.
fn shown(url: &Url) -> String {
    url.host_str().unwrap_or_default().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &TrustedHosts, text: &str) -> Result<String, String> {
        let base = Url::parse("https://cxone.niceincontact.com/x").unwrap();
        hosts
            .check(text, &base, "The link", Endpoint::Discovery)
            .map(String::from)
            .map_err(|failure| failure.error.message)
    }

    #[test]
    fn only_hosts_that_somebody_vouches_for_are_asked() {
        let issuer = Url::parse("https://login.example.com:8443").unwrap();
        let api = Url::parse("https://api.example.net").unwrap();
        let hosts =
            TrustedHosts::new(&issuer, Some(&api), &["partner.example.org".to_owned(), ".eu.example.org".to_owned()]);
        let good = [
            "https://login.example.com/token",
            "https://login.example.com:9999/token",
            "https://LOGIN.example.com/token",
            "https://api.example.net/x",
            "https://niceincontact.com/",
            "https://api-na1.niceincontact.com/incontactapi",
            "https://na1.nice-incontact.com:444/",
            "https://partner.example.org/",
            "https://a.b.eu.example.org/",
            "/relative/path?x=1",
        ];
        for text in good {
            assert!(check(&hosts, text).is_ok(), "{text}: {:?}", check(&hosts, text));
        }
        let bad = [
            ("https://evil.example/", "leads to evil.example, which is neither"),
            ("https://niceincontact.com.evil.example/", "which is neither"),
            ("https://evilniceincontact.com/", "which is neither"),
            ("https://xnice-incontact.com/", "which is neither"),
            ("https://eu.example.org/", "which is neither"),
            ("https://x.partner.example.org/", "which is neither"),
            ("https://login.example.com@evil.example/", "with a user"),
            ("https://u:p@login.example.com/", "with a user"),
            ("https://127.0.0.1/", "which is neither"),
            ("//evil.example/x", "leads to evil.example"),
            ("http://login.example.com/", "by http, not https"),
            ("ftp://login.example.com/", "by ftp, not https"),
            ("file:///etc/passwd", "is not an address"),
            ("https://", "is not an address"),
            ("https://[::1", "is not an address"),
        ];
        for (text, message) in bad {
            let said = check(&hosts, text).unwrap_err();
            assert!(said.contains(message), "{text}: {said}");
            assert!(!said.contains("p@") && !said.contains("token"), "{said}");
        }
    }

    #[test]
    fn plain_http_is_for_an_issuer_on_this_machine() {
        let hosts =
            TrustedHosts::new(&Url::parse("http://127.0.0.1:8080").unwrap(), None, &["partner.example.org".to_owned()]);
        assert!(check(&hosts, "http://127.0.0.1:9/x").is_ok());
        assert!(check(&hosts, "http://partner.example.org/").unwrap_err().contains("not https"));
        assert!(check(&hosts, "http://127.0.0.2/").unwrap_err().contains("which is neither"));
        assert!(check(&hosts, "https://partner.example.org/").is_ok());
    }
}
