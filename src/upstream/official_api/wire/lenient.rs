//! Values that may have any JSON type: numbers and booleans as strings, nulls where something is documented.
//!
//! A value of an unexpected type is as good as absent.

use std::borrow::Cow;

use super::iso_duration;
use crate::presence::{Micros, Rejection, cut_text};

/// The longest id in bytes. Real ones are numbers, or UUIDs. A longer one is no id: cut, it might be that of another.
const MAX_ID_BYTES: usize = 128;

/// A JSON value where a single value is documented.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'j> {
    /// `null`, or text without a character that shows.
    Absent,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    /// A number with a fraction, or one beyond the range in which `f64` is exact.
    Float(f64),
    Text(Cow<'j, str>),
    /// A list or an object; its contents are skipped.
    Compound,
}

/// Where the value of a key goes. An absent value leaves what an earlier spelling of the key had.
pub(crate) enum Slot<'a> {
    /// An id: text of at most [`MAX_ID_BYTES`], or a whole number as its digits.
    Id(&'a mut Option<String>),
    /// Text, cut as text from CXone is, or a whole number as its digits.
    Text(&'a mut Option<String>),
    /// A whole number.
    Whole(&'a mut Option<i64>),
    /// Yes or no. A key that stands twice is true if either is.
    Flag(&'a mut Option<bool>),
    /// A span of time: ISO 8601, or seconds as a number or as text. What is no span is the reason.
    Duration(&'a mut Option<Result<Micros, Rejection>>),
}

// === impl Scalar ===

impl<'j> Scalar<'j> {
    /// Reads a value from its JSON, which is valid but for text that is not Unicode.
    ///
    /// # Errors
    ///
    /// Fails if it is such text.
    pub(crate) fn read(json: &'j str) -> Result<Self, serde_json::Error> {
        Ok(match json.as_bytes().first() {
            Some(b'"') => {
                let plain = json.get(1..json.len() - 1).filter(|text| !text.contains('\\'));
                match plain {
                    Some(text) => Self::of_text(Cow::Borrowed(text.trim())),
                    None => Self::of_text(Cow::Owned(serde_json::from_str::<String>(json)?.trim().to_owned())),
                }
            }
            Some(b'{' | b'[') => Self::Compound,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'-' | b'0'..=b'9') => Self::of_number(json),
            _ => Self::Absent,
        })
    }

    fn of_text(text: Cow<'j, str>) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }

    /// A number of any size: one that no `f64` holds is infinite.
    fn of_number(json: &str) -> Self {
        // Some writers give whole numbers a fraction of zero. Beyond 2^53 the number is ambiguous.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if let Ok(number) = json.parse() {
            return Self::Signed(number);
        }
        if let Ok(number) = json.parse() {
            return Self::Unsigned(number);
        }
        let number: f64 = json.parse().unwrap_or(f64::NAN);
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the range just checked")]
        let whole = (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64);
        whole.map_or(Self::Float(number), Self::Signed)
    }

    pub(crate) fn text(self) -> Option<Cow<'j, str>> {
        match self {
            Self::Absent | Self::Bool(_) | Self::Float(_) | Self::Compound => None,
            Self::Signed(number) => Some(number.to_string().into()),
            Self::Unsigned(number) => Some(number.to_string().into()),
            Self::Text(text) => Some(text),
        }
    }

    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Absent | Self::Bool(_) | Self::Float(_) | Self::Compound => None,
            Self::Signed(number) => Some(*number),
            // Identifiers of sessions may fill all 64 bits; which number stands for one does not matter.
            Self::Unsigned(number) => Some(number.cast_signed()),
            Self::Text(text) => text.parse().ok().or_else(|| text.parse().ok().map(u64::cast_signed)),
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Absent | Self::Float(_) | Self::Compound => None,
            Self::Bool(flag) => Some(*flag),
            Self::Signed(number) => Some(*number != 0),
            Self::Unsigned(number) => Some(*number != 0),
            Self::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a span of 2^53 seconds is beyond any window")]
    fn duration(&self) -> Option<Result<Micros, Rejection>> {
        match self {
            Self::Absent => None,
            Self::Bool(_) | Self::Compound => Some(Err(Rejection::BadTime)),
            Self::Signed(seconds) => Some(Micros::from_reported_seconds(*seconds as f64)),
            Self::Unsigned(seconds) => Some(Micros::from_reported_seconds(*seconds as f64)),
            Self::Float(seconds) => Some(Micros::from_reported_seconds(*seconds)),
            Self::Text(text) => Some(iso_duration::parse(text)),
        }
    }
}

// === impl Slot ===

impl Slot<'_> {
    pub(super) fn put(self, value: Scalar<'_>) {
        fn replace<T>(slot: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *slot = value;
            }
        }
        match self {
            Self::Id(slot) => {
                replace(slot, value.text().filter(|id| id.len() <= MAX_ID_BYTES).map(Cow::into_owned));
            }
            Self::Text(slot) => replace(slot, value.text().map(|text| cut_text(&text).to_owned())),
            Self::Whole(slot) => replace(slot, value.whole()),
            Self::Flag(slot) => replace(slot, value.flag().map(|flag| flag || *slot == Some(true))),
            Self::Duration(slot) => replace(slot, value.duration()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_read_from_any_json_type() {
        type Read = (Option<&'static str>, Option<i64>, Option<bool>);
        let table: [(&str, Read); 21] = [
            ("null", (None, None, None)),
            ("true", (None, None, Some(true))),
            ("\"True\"", (Some("True"), None, Some(true))),
            ("\"false\"", (Some("false"), None, Some(false))),
            ("0", (Some("0"), Some(0), Some(false))),
            ("1", (Some("1"), Some(1), Some(true))),
            ("\"1\"", (Some("1"), Some(1), Some(true))),
            ("\" 17 \"", (Some("17"), Some(17), None)),
            ("-3", (Some("-3"), Some(-3), Some(true))),
            ("4.0", (Some("4"), Some(4), Some(true))),
            ("4.5", (None, None, None)),
            ("1e300", (None, None, None)),
            ("-1e999", (None, None, None)),
            ("123456789012345678901234567890", (None, None, None)),
            (r#""\u004cunch""#, (Some("Lunch"), None, None)),
            ("18446744073709551615", (Some("18446744073709551615"), Some(-1), Some(true))),
            ("\"18446744073709551615\"", (Some("18446744073709551615"), Some(-1), None)),
            ("\"\"", (None, None, None)),
            ("\"Lunch\"", (Some("Lunch"), None, None)),
            ("[1, {\"a\": 2}]", (None, None, None)),
            ("{\"a\": [1]}", (None, None, None)),
        ];
        for (json, (text, whole, flag)) in table {
            let scalar = Scalar::read(json).unwrap();
            assert_eq!((scalar.whole(), scalar.flag()), (whole, flag), "{json}");
            assert_eq!(scalar.text().as_deref(), text, "{json}");
        }
    }

    #[test]
    fn a_duration_is_iso_8601_or_seconds_as_number_or_text() {
        let table = [
            ("null", None),
            ("\"\"", None),
            ("\"PT1M0.5S\"", Some(Ok(60_500_000))),
            ("14", Some(Ok(14_000_000))),
            ("14.5", Some(Ok(14_500_000))),
            ("\"14.5\"", Some(Ok(14_500_000))),
            ("600.0", Some(Ok(600_000_000))),
            ("-1", Some(Err(Rejection::Negative))),
            ("-0.5", Some(Err(Rejection::Negative))),
            ("\"-PT5S\"", Some(Err(Rejection::Negative))),
            ("\"soon\"", Some(Err(Rejection::BadTime))),
            ("1e400", Some(Err(Rejection::NotFinite))),
            ("-1e400", Some(Err(Rejection::NotFinite))),
            ("true", Some(Err(Rejection::BadTime))),
            ("[5]", Some(Err(Rejection::BadTime))),
            ("{\"seconds\":5}", Some(Err(Rejection::BadTime))),
        ];
        for (json, expected) in table {
            let scalar = Scalar::read(json).unwrap();
            assert_eq!(scalar.duration().map(|span| span.map(Micros::get)), expected, "{json}");
        }
    }

    #[test]
    fn an_absent_value_does_not_replace_an_earlier_one() {
        let mut text = None;
        for (value, expected) in [("\"a\"", "a"), ("null", "a"), ("[]", "a"), ("\"b\"", "b")] {
            Slot::Text(&mut text).put(Scalar::read(value).unwrap());
            assert_eq!(text.as_deref(), Some(expected), "{value}");
        }
        let mut flag = None;
        for (value, expected) in [("false", false), ("true", true), ("false", true), ("null", true)] {
            Slot::Flag(&mut flag).put(Scalar::read(value).unwrap());
            assert_eq!(flag, Some(expected), "{value}");
        }
    }

    #[test]
    fn text_is_cut_at_256_bytes_and_a_long_id_is_none() {
        let json = format!("\"{}\"", "x".repeat(300));
        let (mut text, mut id) = (None, None);
        Slot::Text(&mut text).put(Scalar::read(&json).unwrap());
        Slot::Id(&mut id).put(Scalar::read(&json).unwrap());
        assert_eq!((text, id), (Some("x".repeat(256)), None));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        assert!(Scalar::read(r#""\ud83d""#).is_err());
    }
}
