//! Which format and encoding a client gets, by what it says it accepts ([RFC 9110, section 12.5][rfc]).
//!
//! [rfc]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5

/// The most elements of a header that are looked at. Prometheus sends at most seven; a client that sends more is served by
/// the first of them.
const MAX_ELEMENTS: usize = 32;

/// A quality of 1, as thousandths.
const FULL_QUALITY: u16 = 1000;

/// The media ranges that speak of a format. A lone `*` is what some old Java clients send.
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
    /// The bytes as they are.
    #[default]
    Identity,
    /// One gzip member.
    Gzip,
}

/// What a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Negotiated {
    /// The format of the document.
    pub format: Format,
    /// The encoding of the body.
    pub encoding: Encoding,
}

/// One element of `Accept`: which formats it speaks of, how closely, and how much they are wanted.
#[derive(Debug, Clone, Copy)]
struct Range {
    media: Media,
    /// Whether a version is named; a range that names one is closer than one that does not.
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

/// How well a range fits a format. The greater, the better it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Closeness(u8);

/// Chooses by the values of `Accept` and `Accept-Encoding`, each joined by commas where it came in several lines.
///
/// There is always an answer: who accepts nothing that there is, or sends nothing readable, gets text 0.0.4, as it is,
/// rather than a refusal that no scraper could act on.
///
/// - The quality of a format is that of the range that fits it most closely. The format of the highest quality is
///   sent; among equals the one that was named more closely, then the one that was named first, then text.
/// - OpenMetrics is sent for version 1.0.0 or none. A client that knows only 0.0.1 gets text, which all such clients accept.
///   Text is sent for version 0.0.4 or none: its version 1.0.0 (names in UTF-8) says nothing that is needed here.
/// - `charset`, `escaping` and unknown parameters do not matter: all names are plain ASCII words in every escaping.
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
    /// The value of `Content-Encoding`, where one is needed.
    pub const fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
        }
    }
}

// === impl Range ===

impl Range {
    /// Reads one element; `None` where it speaks of no format that there is, or cannot be read.
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

    fn closeness(&self, format: Format) -> Option<Closeness> {
        match (self.media, format) {
            (Media::Any, _) => Some(Closeness(1)),
            (Media::AnyText, Format::Text) | (Media::AnyApplication, Format::OpenMetrics) => Some(Closeness(2)),
            (Media::Exactly(named), _) if named == format => Some(Closeness(3 + u8::from(self.versioned))),
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
            if let Some(closeness) = range.closeness(format)
                && best.is_none_or(|(known, _, _)| known < closeness)
            {
                *best = Some((closeness, range.quality, usize::MAX - position));
            }
        }
    }
    let rank = |found: Option<(Closeness, u16, usize)>| {
        found.filter(|(_, quality, _)| *quality > 0).map(|(closeness, quality, early)| (quality, closeness, early))
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
    // An identity that is not named is always acceptable, but not what such a client hopes for.
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
    // What scrapers send has no quotes, and is searched several times faster then.
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

/// A quality in thousandths: `0`, `1`, `0.75`, `1.000`. Digits past the third do not matter.
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
    fn what_scrapers_send_is_understood() {
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
    fn the_best_format_is_chosen() {
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
    fn gzip_is_sent_to_whoever_wants_it() {
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
    fn elements_past_the_limit_are_not_looked_at() {
        let padding = "a/b,".repeat(MAX_ELEMENTS);
        assert_eq!(choose_format(&format!("{padding}application/openmetrics-text")), Format::Text);
        let padding = "a/b,".repeat(MAX_ELEMENTS - 1);
        assert_eq!(choose_format(&format!("{padding}application/openmetrics-text")), Format::OpenMetrics);
    }

    proptest! {
        #[test]
        fn there_is_an_answer_to_everything(accept: Option<String>, encoding: Option<String>) {
            negotiate(accept.as_deref(), encoding.as_deref());
        }

        #[test]
        fn there_is_an_answer_to_what_looks_like_a_header(
            accept in "((\\*|text|application)/(\\*|plain|openmetrics-text)(;(q|version)=[\"0-9.]{0,6}){0,3}[,; ]{0,2}){0,6}"
        ) {
            let chosen = choose_format(&accept);
            // Nothing that is said of text alone makes it OpenMetrics.
            prop_assert!(chosen == Format::Text || accept.contains("openmetrics") || accept.contains('*'));
        }
    }
}
