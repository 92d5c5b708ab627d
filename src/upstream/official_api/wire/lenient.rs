//! Values that may come in any JSON type: numbers and booleans as strings, nulls where something is documented.
//!
//! None of these ever fails. What cannot be what it should be is as good as absent, and a list or an object in the place
//! of a value is skipped.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text, or a number as its digits. Empty text is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::upstream::official_api) struct Text(pub(in crate::upstream::official_api) Option<String>);

/// A whole number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::upstream::official_api) struct Whole(pub(in crate::upstream::official_api) Option<i64>);

/// Yes or no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::upstream::official_api) struct Flag(pub(in crate::upstream::official_api) Option<bool>);

/// Whatever JSON has for a single value.
enum Scalar {
    Absent,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(String),
}

struct ScalarVisitor;

// === impl Scalar ===

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
        Ok(whole.map_or(Scalar::Absent, Scalar::Signed))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(match value.trim() {
            "" => Scalar::Absent,
            trimmed => Scalar::Text(trimmed.to_owned()),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Absent)
    }
}

// === impl Text, Whole, Flag ===

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(input)? {
            Scalar::Absent | Scalar::Bool(_) => None,
            Scalar::Signed(number) => Some(number.to_string()),
            Scalar::Unsigned(number) => Some(number.to_string()),
            Scalar::Text(text) => Some(text),
        }))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(input)? {
            Scalar::Absent | Scalar::Bool(_) => None,
            Scalar::Signed(number) => Some(number),
            // Identifiers of sessions may fill all 64 bits; which number stands for one does not matter.
            Scalar::Unsigned(number) => Some(number.cast_signed()),
            Scalar::Text(text) => text.parse().ok().or_else(|| text.parse().ok().map(u64::cast_signed)),
        }))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(input)? {
            Scalar::Absent => None,
            Scalar::Bool(flag) => Some(flag),
            Scalar::Signed(number) => Some(number != 0),
            Scalar::Unsigned(number) => Some(number != 0),
            Scalar::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_whatever_form_they_have() {
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
            assert_eq!(serde_json::from_str::<Text>(json).unwrap().0.as_deref(), text, "{json}");
            assert_eq!(serde_json::from_str::<Whole>(json).unwrap().0, whole, "{json}");
            assert_eq!(serde_json::from_str::<Flag>(json).unwrap().0, flag, "{json}");
        }
    }
}
