//! Writes sample lines: labels, label values and numbers. They are the same bytes in both formats.

use std::io::Write as _;

/// Up to 2⁵³ millionths an `f64` holds every whole number of millionths.
const MAX_EXACT_MILLIONTHS: f64 = 9_007_199_254_740_992.0;

/// Numbers with at most six decimal places take the fast path.
const MILLIONTHS: f64 = 1_000_000.0;

/// The number of digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// Writes `{name="value",…,le="bound"}`, or nothing if there are no labels.
///
/// Histogram bounds have the canonical form of OpenMetrics (`1.0`), which text 0.0.4 allows as well.
pub(super) fn labels(out: &mut Vec<u8>, names: &[&str], values: &[&str], bound: Option<f64>) {
    let mut separator = b'{';
    for (name, value) in names.iter().zip(values) {
        out.push(separator);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape_label(out, value);
        out.push(b'"');
        separator = b',';
    }
    if let Some(bound) = bound {
        out.push(separator);
        out.extend_from_slice(b"le=\"");
        if bound.is_finite() {
            // Writing into a Vec cannot fail.
            let _ = write!(out, "{bound:?}");
        } else {
            number(out, bound);
        }
        out.push(b'"');
        separator = b',';
    }
    if separator == b',' {
        out.push(b'}');
    }
}

/// Escapes a label value or a HELP text of OpenMetrics.
pub(super) fn escape_label(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |byte| matches!(byte, b'\\' | b'"' | b'\n'));
}

/// Escapes a HELP text of text 0.0.4, in which quotes are not escaped.
pub(super) fn escape_help(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |byte| matches!(byte, b'\\' | b'\n'));
}

fn escape(out: &mut Vec<u8>, text: &str, special: impl Fn(u8) -> bool) {
    // Few values need escaping, and one copy is several times faster than a copy byte by byte. The fold looks at all
    // bytes because that is vectorized, unlike a search that stops at the first match.
    if !text.bytes().fold(false, |found, byte| found | special(byte)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            escaped if special(escaped) => out.extend_from_slice(&[b'\\', escaped]),
            plain => out.push(plain),
        }
    }
}

/// Writes a number without an exponent so that parsing it returns the same `f64`.
pub(super) fn number(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    // Most values are seconds in whole microseconds. The quotient below is the f64 nearest to the written decimal, which
    // is what a parser returns. If it equals `value`, the slower shortest-digits search is not needed.
    let millionths = (value.abs() * MILLIONTHS).round();
    if millionths <= MAX_EXACT_MILLIONTHS && millionths / MILLIONTHS == value.abs() {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2⁵³, and whole")]
        let millionths = millionths as u64;
        decimal(out, millionths);
    } else {
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{value}");
    }
}

/// Writes a whole number.
pub(super) fn integer(out: &mut Vec<u8>, value: u64) {
    digits(out, value, 1);
}

/// Writes a number of millionths without trailing zeros.
fn decimal(out: &mut Vec<u8>, millionths: u64) {
    const PLACES: usize = 6;
    digits(out, millionths / 1_000_000, 1);
    let mut fraction = millionths % 1_000_000;
    if fraction == 0 {
        return;
    }
    let mut places = PLACES;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        places -= 1;
    }
    out.push(b'.');
    digits(out, fraction, places);
}

/// Writes `value` with leading zeros up to `width` digits.
fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut text = [b'0'; MAX_DIGITS];
    let mut used = 0;
    for digit in text.iter_mut().rev() {
        if value == 0 && used >= width {
            break;
        }
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
    }
    out.extend_from_slice(text.get(MAX_DIGITS - used..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        number(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn number_format_is_that_of_prometheus() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (86_400.0, "86400"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (3_599.999_999, "3599.999999"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "0.0000001"),
            (1_698_400_800.25, "1698400800.25"),
            (1e15, "1000000000000000"),
            (1e21, "1000000000000000000000"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in table {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn histogram_bounds_are_canonical_floats() {
        let bound = |bound| {
            let mut out = Vec::new();
            labels(&mut out, &[], &[], Some(bound));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(bound(1.0), "{le=\"1.0\"}");
        assert_eq!(bound(0.05), "{le=\"0.05\"}");
        assert_eq!(bound(f64::INFINITY), "{le=\"+Inf\"}");
    }

    proptest! {
        #[test]
        fn any_f64_is_parsed_back_exactly(bits: u64) {
            let value = f64::from_bits(bits);
            let back: f64 = written(value).parse().unwrap();
            prop_assert!(back.to_bits() == bits || (back.is_nan() && value.is_nan()));
        }

        #[test]
        fn microseconds_are_parsed_back_exactly(micros in 0_u64..1 << 54) {
            #[allow(clippy::cast_precision_loss, reason = "the rounded value is what is tested")]
            let value = micros as f64 / 1e6;
            prop_assert_eq!(written(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }

        #[test]
        fn integers_have_all_digits(value: u64) {
            let mut out = Vec::new();
            integer(&mut out, value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
