//! Values that may have any JSON type: numbers and booleans as strings, nulls where something is documented.
//!
//! Reading one never fails. A value of an unexpected type is as good as absent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::iso_duration;
use crate::presence::{Micros, Rejection};

/// A JSON value where a single value is documented.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::upstream::official_api) enum Scalar {
    /// `null`, or text without a character that shows.
    Absent,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    /// A number with a fraction, or one beyond the range in which `f64` is exact.
    Float(f64),
    Text(String),
    /// A list or an object; its contents are skipped.
    Compound,
}

/// Where the value of a key goes. An absent value leaves what an earlier spelling of the key had.
pub(in crate::upstream::official_api) enum Slot<'a> {
    /// Text, or a whole number as its digits.
    Text(&'a mut Option<String>),
    /// A whole number.
    Whole(&'a mut Option<i64>),
    /// Yes or no. A key that stands twice is true if either is.
    Flag(&'a mut Option<bool>),
    /// A span of time: ISO 8601, or seconds as a number or as text. What is no span is the reason.
    Duration(&'a mut Option<Result<Micros, Rejection>>),
}

struct ScalarVisitor;

// === impl Scalar ===

impl Scalar {
    pub(in crate::upstream::official_api) fn text(self) -> Option<String> {
        match self {
            Self::Absent | Self::Bool(_) | Self::Float(_) | Self::Compound => None,
            Self::Signed(number) => Some(number.to_string()),
            Self::Unsigned(number) => Some(number.to_string()),
            Self::Text(text) => Some(text),
        }
    }

    pub(in crate::upstream::official_api) fn whole(&self) -> Option<i64> {
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

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        // Some writers give whole numbers a fraction of zero. Beyond 2^53 the number is ambiguous.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the range just checked")]
        let whole = (value.fract() == 0.0 && value.abs() < EXACT).then_some(value as i64);
        Ok(whole.map_or(Scalar::Float(value), Scalar::Signed))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(match value.trim() {
            "" => Scalar::Absent,
            trimmed => Scalar::Text(trimmed.to_owned()),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Compound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Compound)
    }
}

// === impl Slot ===

impl Slot<'_> {
    pub(super) fn put(self, value: Scalar) {
        fn replace<T>(slot: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *slot = value;
            }
        }
        match self {
            Self::Text(slot) => replace(slot, value.text()),
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
        let table: [(&str, Read); 18] = [
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
            ("18446744073709551615", (Some("18446744073709551615"), Some(-1), Some(true))),
            ("\"18446744073709551615\"", (Some("18446744073709551615"), Some(-1), None)),
            ("\"\"", (None, None, None)),
            ("\"Lunch\"", (Some("Lunch"), None, None)),
            ("[1, {\"a\": 2}]", (None, None, None)),
            ("{\"a\": [1]}", (None, None, None)),
        ];
        for (json, (text, whole, flag)) in table {
            let scalar: Scalar = serde_json::from_str(json).unwrap();
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
            ("true", Some(Err(Rejection::BadTime))),
            ("[5]", Some(Err(Rejection::BadTime))),
            ("{\"seconds\":5}", Some(Err(Rejection::BadTime))),
        ];
        for (json, expected) in table {
            let scalar: Scalar = serde_json::from_str(json).unwrap();
            assert_eq!(scalar.duration().map(|span| span.map(Micros::get)), expected, "{json}");
        }
    }

    #[test]
    fn an_absent_value_does_not_replace_an_earlier_one() {
        let mut text = None;
        for (value, expected) in [("\"a\"", "a"), ("null", "a"), ("[]", "a"), ("\"b\"", "b")] {
            Slot::Text(&mut text).put(serde_json::from_str(value).unwrap());
            assert_eq!(text.as_deref(), Some(expected), "{value}");
        }
        let mut flag = None;
        for (value, expected) in [("false", false), ("true", true), ("false", true), ("null", true)] {
            Slot::Flag(&mut flag).put(serde_json::from_str(value).unwrap());
            assert_eq!(flag, Some(expected), "{value}");
        }
    }
}
