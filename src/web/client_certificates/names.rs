//! The names in a certificate: its subjectAltName, read from the DER.
//!
//! webpki reads DNS names and URIs only, and the toolkit compares e-mail and IP addresses too. What is read here has been
//! parsed by webpki before.
//!
//! Source: RFC 5280, sections 4.1 and 4.2.1.6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
/// `[3]` in a `TBSCertificate`.
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// Every DNS name, e-mail address, IP address and URI; `None` where this is no certificate.
pub(super) fn of(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, body, _) = element(certificate)?;
    let Some((_, extensions)) = elements(body)?.into_iter().find(|(tag, _)| *tag == EXTENSIONS) else {
        return Some(Vec::new());
    };
    let (_, extensions, _) = element(extensions)?;
    let mut names = Vec::new();
    for (_, extension) in elements(extensions)? {
        let parts = elements(extension)?;
        let is_names = parts.first().is_some_and(|(tag, id)| *tag == OBJECT_ID && **id == SUBJECT_ALT_NAME);
        let Some((OCTETS, value)) = parts.last().copied().filter(|_| is_names) else { continue };
        let (SEQUENCE, all, _) = element(value)? else { return None };
        names.extend(elements(all)?.into_iter().filter_map(name));
    }
    Some(names)
}

fn name((tag, value): (u8, &[u8])) -> Option<String> {
    match tag {
        EMAIL | DNS | URI => String::from_utf8(value.to_vec()).ok(),
        IP => match value.len() {
            4 => Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)).to_string()),
            16 => Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?)).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The elements that `bytes` is made of: tags and contents.
fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = element(bytes)?;
        all.push((tag, content));
        bytes = rest;
    }
    Some(all)
}

/// The first element of `bytes`: tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
        if digits.is_empty() || digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
