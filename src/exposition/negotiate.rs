//! Content negotiation: format and encoding of a response ([RFC 9110, section 12.5][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5

/// The most elements of a header that are read. Prometheus sends at most seven; further ones are ignored.
const MAX_ELEMENTS: usize = 32;

/// A quality of 1, as thousandths.
const FULL_QUALITY: u16 = 1000;

/// The media ranges that match a format. Some old Java clients send a lone `*`.
const MEDIA: [(&str, Media); 6] = [
    ("application/openmetrics-text", Media::Exactly(Format::OpenMetrics)),
    ("text/plain", Media::Exactly(Format::Text)),
    ("*/*", Media::Any),
    ("text/*", Media::AnyText),
    ("application/*", Media::AnyApplication),
    ("*", Media::Any),
];

/// An exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// The Prometheus text format, version 0.0.4.
    #[default]
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// Not compressed.
    #[default]
    Identity,
    /// One gzip member.
    Gzip,
}

/// The result of a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Negotiated {
    /// The format of the document.
    pub format: Format,
    /// The encoding of the body.
    pub encoding: Encoding,
}

/// One element of `Accept`: the formats it matches, its specificity and its quality.
#[derive(Debug, Clone, Copy)]
struct Range {
    media: Media,
    /// Whether a version is named; a range with a version is more specific.
    versioned: bool,
    quality: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Any,
    AnyText,
    AnyApplication,
    Exactly(Format),
}

/// The specificity with which a range matches a format. Greater is more specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Specificity(u8);

/// Negotiates by the values of `Accept` and `Accept-Encoding`; several lines of a header are joined by commas.
///
/// Clients that accept no offered format, or send an unreadable header, get text 0.0.4 without compression, because a scraper
/// cannot act on a 406.
///
/// - The quality of a format is that of the most specific range that matches it. The format with the highest quality is
///   sent; among equals the more specific one, then the first one, then text.
/// - OpenMetrics is sent for version 1.0.0 or none. A client that knows only 0.0.1 gets text, which all such clients accept.
///   Text is sent for version 0.0.4 or none: version 1.0.0 only adds names in UTF-8.
/// - `charset`, `escaping` and unknown parameters are ignored: all names are ASCII words in every escaping.
/// - Gzip is sent to clients that accept it and do not prefer `identity`.
pub fn negotiate(accept: Option<&str>, accept_encoding: Option<&str>) -> Negotiated {
    Negotiated { format: choose_format(accept.unwrap_or("")), encoding: choose_encoding(accept_encoding.unwrap_or("")) }
}

// === impl Format ===

impl Format {
    /// The value of `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Text => "0.0.4",
            Self::OpenMetrics => "1.0.0",
        }
    }
}

// === impl Encoding ===

impl Encoding {
    /// The value of `Content-Encoding`; `None` without compression.
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
        }
    }
}

// === impl Range ===

impl Range {
    /// Reads one element; `None` if it matches no offered format or cannot be read.
    fn read(element: &str) -> Option<Self> {
        let (media, parameters) = split_parameters(element);
        let (_, media) = MEDIA.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(media))?;
        let mut range = Self { media, versioned: false, quality: FULL_QUALITY };
        for (name, value) in parameters {
            if name.eq_ignore_ascii_case("q") {
                range.quality = read_quality(value)?;
            } else if let Media::Exactly(format) = media
                && name.eq_ignore_ascii_case("version")
            {
                if value != format.version() {
                    return None;
                }
                range.versioned = true;
            }
        }
        Some(range)
    }

    fn specificity(&self, format: Format) -> Option<Specificity> {
        match (self.media, format) {
            (Media::Any, _) => Some(Specificity(1)),
            (Media::AnyText, Format::Text) | (Media::AnyApplication, Format::OpenMetrics) => Some(Specificity(2)),
            (Media::Exactly(named), _) if named == format => Some(Specificity(3 + u8::from(self.versioned))),
            (Media::AnyText | Media::AnyApplication | Media::Exactly(_), _) => None,
        }
    }
}

fn choose_format(accept: &str) -> Format {
    let mut text = None;
    let mut openmetrics = None;
    for (position, range) in elements(accept).enumerate().filter_map(|(at, element)| Some((at, Range::read(element)?)))
    {
        for (format, best) in [(Format::Text, &mut text), (Format::OpenMetrics, &mut openmetrics)] {
            if let Some(specificity) = range.specificity(format)
                && best.is_none_or(|(known, _, _)| known < specificity)
            {
                *best = Some((specificity, range.quality, usize::MAX - position));
            }
        }
    }
    let rank = |found: Option<(Specificity, u16, usize)>| {
        found.filter(|(_, quality, _)| *quality > 0).map(|(specificity, quality, early)| (quality, specificity, early))
    };
    if rank(openmetrics) > rank(text) { Format::OpenMetrics } else { Format::Text }
}

fn choose_encoding(accept: &str) -> Encoding {
    let mut gzip = None;
    let mut identity = None;
    let mut any = None;
    for element in elements(accept) {
        let (coding, mut parameters) = split_parameters(element);
        let quality = match parameters.find(|(name, _)| name.eq_ignore_ascii_case("q")) {
            None => FULL_QUALITY,
            Some((_, value)) => match read_quality(value) {
                Some(quality) => quality,
                None => continue,
            },
        };
        let is = |name: &str| coding.eq_ignore_ascii_case(name);
        if is("gzip") || is("x-gzip") {
            gzip = gzip.or(Some(quality));
        } else if is("identity") {
            identity = identity.or(Some(quality));
        } else if is("*") {
            any = any.or(Some(quality));
        }
    }
    // An identity that is not named is acceptable, but has the lowest preference.
    let (gzip, identity) = (gzip.or(any).unwrap_or(0), identity.unwrap_or(0));
    if gzip > 0 && gzip >= identity { Encoding::Gzip } else { Encoding::Identity }
}

/// The elements of a list, split at commas that are not within quotes.
fn elements(list: &str) -> impl Iterator<Item = &str> {
    split_unquoted(list, b',').take(MAX_ELEMENTS)
}

/// The name of an element and its parameters.
fn split_parameters(element: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut parts = split_unquoted(element, b';');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let parameters = parts.filter_map(|part| part.split_once('='));
    (name, parameters.map(|(name, value)| (name.trim_ascii(), value.trim_ascii().trim_matches('"'))))
}

fn split_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    // Scrapers send no quotes, and a search without them is several times faster.
    let has_quotes = text.contains('"');
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = if has_quotes { find_unquoted(text, separator) } else { text.find(char::from(separator)) };
        let Some((part, others)) = end.and_then(|end| text.split_at_checked(end)) else { return Some(text) };
        rest = others.get(1..);
        Some(part)
    })
}

fn find_unquoted(text: &str, separator: u8) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        !quoted && byte == separator
    })
}

/// A quality in thousandths: `0`, `1`, `0.75`, `1.000`. Digits past the third are ignored.
fn read_quality(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = fraction.bytes().chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(FULL_QUALITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accept_headers_of_real_scrapers() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let with_histograms = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                               encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,\
                               text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let text_only = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4";
        let prometheus_2_5 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        let java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
        let table = [
            (prometheus_2, Format::OpenMetrics),
            (prometheus_3, Format::OpenMetrics),
            (with_histograms, Format::OpenMetrics),
            (text_only, Format::Text),
            (prometheus_2_5, Format::Text),
            (browser, Format::Text),
            (java, Format::Text),
        ];
        for (accept, format) in table {
            assert_eq!(choose_format(accept), format, "{accept}");
        }
    }

    #[test]
    fn accept_quality_and_specificity_choose_the_format() {
        let table = [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain", Format::Text),
            ("text/*", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=1.0.0; Charset=UTF-8", Format::OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"", Format::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;version=0.0.1", Format::Text),
            ("application/*", Format::OpenMetrics),
            ("text/plain;q=0.5, application/openmetrics-text;q=0.5", Format::Text),
            ("application/openmetrics-text;q=0.5, text/plain;q=0.5", Format::OpenMetrics),
            ("text/plain;q=0.4, application/openmetrics-text;q=0.5", Format::OpenMetrics),
            ("text/plain;q=0.41, application/openmetrics-text;q=0.4", Format::Text),
            ("text/plain;q=0.9999, application/openmetrics-text;q=0.999", Format::Text),
            ("text/plain, application/openmetrics-text;version=1.0.0", Format::OpenMetrics),
            ("*/*, application/openmetrics-text", Format::OpenMetrics),
            ("*/*, application/openmetrics-text;q=0.1", Format::Text),
            ("text/plain;q=0, */*;q=0.1", Format::OpenMetrics),
            ("text/plain;q=0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=2", Format::Text),
            ("application/openmetrics-text;q=-1", Format::Text),
            ("application/openmetrics-text;q=", Format::Text),
            ("application/openmetrics-text;q=NaN", Format::Text),
            ("x=\"a,application/openmetrics-text\"", Format::Text),
            (",;,=,\"", Format::Text),
        ];
        for (accept, format) in table {
            assert_eq!(choose_format(accept), format, "{accept}");
        }
    }

    #[test]
    fn accept_encoding_chooses_gzip() {
        let table = [
            ("", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("GZIP", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("deflate, gzip;q=1.0, br", Encoding::Gzip),
            ("gzip;q=0.001", Encoding::Gzip),
            ("gzip;q=0", Encoding::Identity),
            ("gzip;q=0.000", Encoding::Identity),
            ("gzip;q=0, *", Encoding::Identity),
            ("*", Encoding::Gzip),
            ("*;q=0", Encoding::Identity),
            ("gzip, *;q=0", Encoding::Gzip),
            ("identity", Encoding::Identity),
            ("identity, gzip;q=0.5", Encoding::Identity),
            ("identity;q=0.5, gzip;q=0.5", Encoding::Gzip),
            ("identity;q=0", Encoding::Identity),
            ("br, zstd", Encoding::Identity),
            ("gzip;q=much", Encoding::Identity),
            ("gzipped", Encoding::Identity),
        ];
        for (accept, encoding) in table {
            assert_eq!(choose_encoding(accept), encoding, "{accept}");
        }
    }

    #[test]
    fn accept_elements_past_the_limit_are_ignored() {
        let padding = "a/b,".repeat(MAX_ELEMENTS);
        assert_eq!(choose_format(&format!("{padding}application/openmetrics-text")), Format::Text);
        let padding = "a/b,".repeat(MAX_ELEMENTS - 1);
        assert_eq!(choose_format(&format!("{padding}application/openmetrics-text")), Format::OpenMetrics);
    }

    proptest! {
        #[test]
        fn negotiate_takes_any_text(accept: Option<String>, encoding: Option<String>) {
            negotiate(accept.as_deref(), encoding.as_deref());
        }

        #[test]
        fn negotiate_takes_any_accept_header(
            accept in "((\\*|text|application)/(\\*|plain|openmetrics-text)(;(q|version)=[\"0-9.]{0,6}){0,3}[,; ]{0,2}){0,6}"
        ) {
            let chosen = choose_format(&accept);
            // Ranges of text alone never lead to OpenMetrics.
            prop_assert!(chosen == Format::Text || accept.contains("openmetrics") || accept.contains('*'));
        }
    }
}
