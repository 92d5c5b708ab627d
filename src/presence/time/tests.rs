//! Tests of parsing, printing and arithmetic.

use proptest::prelude::*;

use super::*;

#[test]
fn timestamps_print_as_rfc_3339_with_a_literal_z() {
    let table = [
        (0, "1970-01-01T00:00:00Z"),
        (1_698_400_800_000_000, "2023-10-27T10:00:00Z"),
        (1_698_400_800_250_000, "2023-10-27T10:00:00.250000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ];
    for (micros, printed) in table {
        assert_eq!(Timestamp::from_micros(micros).to_string(), printed);
    }
}

#[test]
fn timestamps_parse_strictly() {
    let table = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2023-10-27T10:00:00Z", Some(1_698_400_800_000_000)),
        ("2023-10-27T10:00:00", Some(1_698_400_800_000_000)),
        ("2023-10-27T12:00:00+02:00", Some(1_698_400_800_000_000)),
        ("2023-10-27T04:30:00-05:30", Some(1_698_400_800_000_000)),
        ("2023-10-27T10:00:00.25Z", Some(1_698_400_800_250_000)),
        ("2023-10-27T10:00:00.0000019Z", Some(1_698_400_800_000_001)),
        ("2023-10-27T10:00:00.25+00:00", Some(1_698_400_800_250_000)),
        ("2016-12-31T23:59:60Z", Some(1_483_228_800_000_000)),
        ("1969-12-31T23:59:59.999999Z", Some(-1)),
        ("2000-02-29T00:00:00Z", Some(951_782_400_000_000)),
        ("1900-02-29T00:00:00Z", None),
        ("2023-02-29T00:00:00Z", None),
        ("2023-04-31T00:00:00Z", None),
        ("2023-00-10T00:00:00Z", None),
        ("2023-13-10T00:00:00Z", None),
        ("2023-10-00T00:00:00Z", None),
        ("2023-10-27T24:00:00Z", None),
        ("2023-10-27T10:60:00Z", None),
        ("2023-10-27T10:00:61Z", None),
        ("2023-10-27T10:00:00.Z", None),
        ("2023-10-27T10:00:00.5x", None),
        ("2023-10-27T10:00:00z", None),
        ("2023-10-27T10:00:00ZZ", None),
        ("2023-10-27T10:00:00+24:00", None),
        ("2023-10-27T10:00:00+01:60", None),
        ("2023-10-27T10:00:00+0100", None),
        ("2023-10-27T10:00:00 01:00", None),
        ("2023-10-27 10:00:00Z", None),
        ("2023-10-27T10:00Z", None),
        ("+023-10-27T10:00:00Z", None),
        ("2023-10-27", None),
        ("", None),
    ];
    for (text, micros) in table {
        assert_eq!(Timestamp::parse(text.as_bytes()), micros.map(Timestamp::from_micros), "{text}");
    }
}

#[test]
fn reported_seconds_are_rounded_to_the_microsecond() {
    let table = [
        (0.0, Ok(0)),
        (-0.0, Ok(0)),
        (1800.0, Ok(1_800_000_000)),
        (0.1 + 0.2, Ok(300_000)),
        (0.000_000_4, Ok(0)),
        (0.000_000_6, Ok(1)),
        (1e300, Ok(u64::MAX)),
        (-0.001, Err(Rejection::Negative)),
        (f64::NAN, Err(Rejection::NotFinite)),
        (f64::INFINITY, Err(Rejection::NotFinite)),
        (f64::NEG_INFINITY, Err(Rejection::NotFinite)),
    ];
    for (seconds, micros) in table {
        assert_eq!(Micros::from_reported_seconds(seconds), micros.map(Micros::new), "{seconds}");
    }
}

proptest! {
    #[test]
    fn printed_timestamps_parse_to_the_same_time(micros in -62_167_219_200_000_000..253_402_300_800_000_000_i64) {
        let timestamp = Timestamp::from_micros(micros);
        prop_assert_eq!(Timestamp::parse(timestamp.to_string().as_bytes()), Some(timestamp));
    }

    #[test]
    fn any_bytes_parse_or_are_refused(text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = Timestamp::parse(&text);
    }
}

#[test]
fn durations_saturate() {
    let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(12));
    assert_eq!(late.saturating_since(early), Micros::from_seconds(2));
    assert_eq!(early.saturating_since(late), Micros::ZERO);
    assert_eq!(Timestamp::from_micros(i64::MAX) + Duration::MAX, Timestamp::from_micros(i64::MAX));
}
