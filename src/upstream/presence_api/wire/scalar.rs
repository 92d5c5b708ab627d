//! The scalars of the answer: strings, numbers and `null`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::presence::{Micros, Rejection};

/// Reads any JSON value by a visitor, which defines the accepted types.
pub(super) struct Read<V>(pub(super) V);

/// Reads a string and converts it by the function; `null` is the default.
pub(super) struct Text<F>(pub(super) F);

/// Reads a string, or a whole number by its digits; `null` is the default.
pub(super) struct Id<F>(pub(super) F);

/// Reads seconds, as a number or a string with a number; `null` is zero.
pub(super) struct Seconds;

// === impl Read ===

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Read<V> {
    type Value = V::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        json.deserialize_any(self.0)
    }
}

// === impl Text ===

impl<T: Default, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    #[inline]
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

// === impl Id ===

impl<T: Default, F: FnOnce(&str) -> T> Visitor<'_> for Id<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number or null")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    #[inline]
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok((self.0)(&number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok((self.0)(&number.to_string()))
    }

    // A number of more than 64 bits is read as a float, which lacks digits, so it is not accepted.
}

// === impl Seconds ===

impl Visitor<'_> for Seconds {
    type Value = Result<Micros, Rejection>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a string that holds one, or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Ok(Micros::ZERO))
    }

    #[inline]
    fn visit_u64<E>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok(Ok(Micros::from_seconds(seconds)))
    }

    /// Only for negative numbers: `serde_json` reads every other whole number as `u64`.
    fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(seconds).map(Micros::from_seconds).map_err(|_| Rejection::Negative))
    }

    #[inline]
    fn visit_f64<E>(self, seconds: f64) -> Result<Self::Value, E> {
        Ok(Micros::from_reported_seconds(seconds))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = text.trim();
        Ok(match text.parse() {
            Ok(seconds) => Ok(Micros::from_seconds(seconds)),
            Err(_) => Micros::from_reported_seconds(text.parse().unwrap_or(f64::NAN)),
        })
    }
}
