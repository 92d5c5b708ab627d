//! The authority that a request is for: the `Host` header, or `:authority` over HTTP/2.

use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;
use hyper::{Uri, Version};

/// A request whose authority is missing, repeated, contradictory or malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadAuthority;

/// The authority of a request. `None` if it has none, which HTTP/1.0 and HTTP/2 allow.
///
/// Sources: RFC 9112, section 3.2; RFC 9113, section 8.3.1.
pub(super) fn of(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, BadAuthority> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(BadAuthority),
        (None, None) if version == Version::HTTP_11 => return Err(BadAuthority),
        (None, None) => None,
        (Some(host), None) if host.is_empty() => None,
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).map_err(|_| BadAuthority)?),
    };
    let authority = match (uri.authority(), host) {
        // Over HTTP/1.1 the authority of an absolute URI replaces the header.
        (Some(authority), Some(host)) if version == Version::HTTP_2 && *authority != host => return Err(BadAuthority),
        (Some(authority), _) => Some(authority.clone()),
        (None, host) => host,
    };
    let is_valid = |authority: &Authority| !authority.as_str().contains('@') && !authority.host().is_empty();
    if authority.as_ref().is_none_or(is_valid) { Ok(authority) } else { Err(BadAuthority) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_of_host_header_and_uri() {
        let (old, one, two) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        type Row = (Version, &'static str, &'static [&'static str], Result<Option<&'static str>, BadAuthority>);
        let table: [Row; 16] = [
            (one, "/sd", &["exporter:10062"], Ok(Some("exporter:10062"))),
            (one, "/sd", &["[::1]:10062"], Ok(Some("[::1]:10062"))),
            (one, "/sd", &[""], Ok(None)),
            (one, "/sd", &[], Err(BadAuthority)),
            (one, "/sd", &["a", "a"], Err(BadAuthority)),
            (one, "/sd", &["a", "b"], Err(BadAuthority)),
            (one, "/sd", &["a b"], Err(BadAuthority)),
            (one, "/sd", &["user@a"], Err(BadAuthority)),
            (one, "/sd", &["a/b"], Err(BadAuthority)),
            (one, "/sd", &[":80"], Err(BadAuthority)),
            (one, "http://b/sd", &["a"], Ok(Some("b"))),
            (old, "/sd", &[], Ok(None)),
            (old, "/sd", &["a"], Ok(Some("a"))),
            (two, "https://a/sd", &[], Ok(Some("a"))),
            (two, "https://a/sd", &["b"], Err(BadAuthority)),
            (two, "/sd", &[], Ok(None)),
        ];
        for (version, uri, hosts, expected) in table {
            let headers = hosts.iter().map(|host| (HOST, host.parse().unwrap())).collect::<Vec<_>>();
            let mut map = HeaderMap::new();
            headers.into_iter().for_each(|(name, value)| {
                map.append(name, value);
            });
            let authority = of(version, &uri.parse().unwrap(), &map);
            let authority = authority.as_ref().map(|found| found.as_ref().map(Authority::as_str)).map_err(|bad| *bad);
            assert_eq!(authority, expected, "{version:?} {uri} {hosts:?}");
        }
    }
}
