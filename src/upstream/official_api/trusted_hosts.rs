//! Checks the addresses that discovery documents and responses contain.
//!
//! Every request carries a token, so none may go to an address that does not belong to the tenant.

use url::{Host, Url};

use crate::config::is_loopback;
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::{Endpoint, ErrorKind};

/// NICE's own domains. All their hosts are trusted; each serves logins or the API of some tenants.
const OWN_DOMAINS: [&str; 7] = [
    "niceincontact.com",
    "nice-incontact.com",
    "incontact.com",
    "nicecxone.com",
    "nicecxone-sov1.au",
    "nicecxone-sov1.eu",
    "nicecxone-sov1.uk",
];

/// The hosts to which requests may go.
#[derive(Debug)]
pub(super) struct TrustedHosts {
    /// The configured addresses: the issuer or the area's host, and `api_endpoint` if it is set.
    configured: Vec<Url>,
    /// `allowed_hosts`: names, or `.suffix`; lower case.
    allowed_hosts: Vec<String>,
    /// Whether `http` on loopback is allowed, which it is if the issuer itself uses it.
    plain_http: bool,
}

// === impl TrustedHosts ===

impl TrustedHosts {
    pub(super) fn new(issuer: &Url, api_endpoint: Option<&Url>, allowed_hosts: &[String]) -> Self {
        Self {
            configured: std::iter::once(issuer).chain(api_endpoint).cloned().collect(),
            allowed_hosts: allowed_hosts.to_vec(),
            plain_http: issuer.scheme() == "http",
        }
    }

    /// Resolves `text` against `base`. `what` names its source in an error.
    ///
    /// # Errors
    ///
    /// If it is not an address, or not a trusted one. The message contains its host and no other part of it.
    pub(super) fn check(&self, text: &str, base: &Url, what: &str, endpoint: Endpoint) -> Result<Url, Failure> {
        let fail =
            |message: String| Err(Failure::new(endpoint, ErrorKind::ForeignAddress, message).with_scope(Scope::Tenant));
        let Some(url) = base.join(text).ok().filter(Url::has_host) else {
            return fail(format!("{what} is not an address, so nothing is sent there."));
        };
        let host = host_text(&url);
        if !url.username().is_empty() || url.password().is_some() {
            return fail(format!("{what} leads to {host} with a user or a password in it, so nothing is sent there."));
        }
        let secure = url.scheme() == "https" || (url.scheme() == "http" && self.plain_http && is_loopback(&url));
        if !secure {
            return fail(format!("{what} leads to {host} by {}, not https, so nothing is sent there.", url.scheme()));
        }
        if !self.is_trusted(&url) {
            return fail(format!(
                "{what} leads to {host}, which is neither the issuer's host and port nor one of NICE's, so nothing is sent there. \
                If it is the tenant's own, add it to `allowed_hosts`."
            ));
        }
        Ok(url)
    }

    fn is_trusted(&self, url: &Url) -> bool {
        let same_port = |configured: &&Url| configured.port_or_known_default() == url.port_or_known_default();
        if self.configured.iter().filter(same_port).any(|configured| configured.host() == url.host()) {
            return true;
        }
        let Some(host) = url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase()) else {
            return false;
        };
        // An IP address has no parent domain.
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        let under = |domain: &str| {
            is_name && host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // A domain of one label, such as `localhost`, is no owner of its subdomains.
        let issuer = self.configured.first().filter(same_port).and_then(Url::domain).filter(|name| name.contains('.'));
        issuer.is_some_and(under)
            || OWN_DOMAINS.into_iter().any(under)
            || self.allowed_hosts.iter().any(|allowed| match allowed.strip_prefix('.') {
                Some(suffix) => host != suffix && under(suffix),
                None => host == *allowed,
            })
    }
}

/// The host, cut for a message.
fn host_text(url: &Url) -> String {
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
    fn only_trusted_hosts_pass() {
        let issuer = Url::parse("https://login.example.com:8443").unwrap();
        let api = Url::parse("https://api.example.net").unwrap();
        let hosts =
            TrustedHosts::new(&issuer, Some(&api), &["partner.example.org".to_owned(), ".eu.example.org".to_owned()]);
        let good = [
            "https://login.example.com:8443/token",
            "https://LOGIN.example.com:8443/token",
            "https://api.login.example.com:8443/x",
            "https://api-c30.incontact.com/",
            "https://api.nicecxone.com/",
            "https://cxone.nicecxone-sov1.eu/",
            "https://api.example.net/x",
            "https://niceincontact.com/",
            "https://niceincontact.com./",
            "https://partner.example.org./",
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
            ("https://login.example.com/token", "which is neither"),
            ("https://login.example.com:9999/token", "which is neither"),
            ("https://x.api.example.net/", "which is neither"),
            ("https://niceincontact.com.evil.example/", "which is neither"),
            ("https://evilniceincontact.com/", "which is neither"),
            ("https://xnice-incontact.com/", "which is neither"),
            ("https://eu.example.org/", "which is neither"),
            ("https://x.partner.example.org/", "which is neither"),
            ("https://login.example.com@evil.example/", "with a user"),
            ("https://u:p@login.example.com/", "with a user"),
            ("https://:p@login.example.com/", "with a user"),
            ("https://u@login.example.com/", "with a user"),
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
    fn plain_http_needs_an_issuer_on_loopback() {
        let hosts =
            TrustedHosts::new(&Url::parse("http://127.0.0.1:8080").unwrap(), None, &["partner.example.org".to_owned()]);
        assert!(check(&hosts, "http://127.0.0.1:8080/x").is_ok());
        assert!(check(&hosts, "http://127.0.0.1:9/x").unwrap_err().contains("which is neither"));
        assert!(check(&hosts, "http://partner.example.org/").unwrap_err().contains("not https"));
        assert!(check(&hosts, "http://127.0.0.2/").unwrap_err().contains("which is neither"));
        assert!(check(&hosts, "https://partner.example.org/").is_ok());

        let https = TrustedHosts::new(
            &Url::parse("https://login.example.com").unwrap(),
            Some(&Url::parse("http://127.0.0.1:9").unwrap()),
            &[],
        );
        assert!(check(&https, "http://127.0.0.1:9/x").unwrap_err().contains("by http, not https"));
    }
}
