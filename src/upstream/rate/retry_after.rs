//! Parses `Retry-After` (RFC 9110, section 10.2.3).

use std::time::Duration;

use crate::presence::Timestamp;

/// The longest wait that is kept. A tenant that asks for more gets one request an hour, so an absurd value does not
/// stop the exporter for good.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The longest valid wait of all `Retry-After` headers of a response, not capped.
///
/// A date is compared with `server_now`, the response's own `Date`, so that a wrong local clock does not shorten the
/// wait. Values without a wait (zero, negative, past) and unreadable ones count as absent, and the caller backs off.
pub(crate) fn longest<'a>(values: impl IntoIterator<Item = &'a [u8]>, server_now: Timestamp) -> Option<Duration> {
    values
        .into_iter()
        .filter_map(|value| std::str::from_utf8(value).ok())
        .filter_map(|value| read(value.trim(), server_now))
        .max()
}

/// The time of an HTTP date, in any of the three forms of RFC 9110.
pub(crate) fn http_date(value: &[u8]) -> Option<Timestamp> {
    let moment = httpdate::parse_http_date(std::str::from_utf8(value).ok()?.trim()).ok()?;
    let since_epoch = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(i64::try_from(since_epoch.as_secs()).ok()?))
}

fn read(value: &str, server_now: Timestamp) -> Option<Duration> {
    if let Some(until) = http_date(value.as_bytes()) {
        let wait = until.saturating_since(server_now).get();
        return (wait > 0).then(|| Duration::from_micros(wait));
    }
    // Proxies join repeated headers by commas. A date holds a comma too, and was parsed above.
    value.split(',').filter_map(|part| seconds(part.trim())).max()
}

/// Whole or decimal seconds, rounded up. Digits and one point only: no exponents, no signs.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only digits are left, so parsing fails only if the number is too large.
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    let round_up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let seconds = whole.saturating_add(round_up);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT.
    const NOW: Timestamp = Timestamp::from_seconds(1_445_412_480);

    fn of(values: &[&str]) -> Option<u64> {
        let wait = longest(values.iter().map(|value| value.as_bytes()), NOW)?;
        assert_eq!(wait.subsec_nanos(), 0, "{values:?} gave a fraction");
        Some(wait.as_secs())
    }

    #[test]
    fn retry_after_seconds_and_http_dates() {
        let table: &[(&str, Option<u64>)] = &[
            ("120", Some(120)),
            ("  120 ", Some(120)),
            ("0", None),
            ("0.0", None),
            ("-1", None),
            ("+5", None),
            ("", None),
            (" ", None),
            (".5", None),
            ("0.2", Some(1)),
            ("1.", Some(1)),
            ("1.0", Some(1)),
            ("1.001", Some(2)),
            ("1.2.3", None),
            ("1e3", None),
            ("NaN", None),
            ("inf", None),
            ("0x10", None),
            ("10 s", None),
            ("soon", None),
            ("10, 30", Some(30)),
            ("10, garbage", Some(10)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wednesday, 21-Oct-15 07:28:30 GMT", Some(30)),
            ("Wed Oct 21 07:28:30 2015", Some(30)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", None),
            ("Wed, 21 Oct 2015 07:27:59 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("Wed, 21 Oct 2015 09:28:30 CEST", None),
            ("2015-10-21T07:28:30Z", None),
            ("\u{665}", None),
        ];
        for (value, expected) in table {
            assert_eq!(of(&[value]), *expected, "{value:?}");
        }
    }

    #[test]
    fn the_longest_valid_retry_after_counts() {
        assert_eq!(of(&["1", "Wed, 21 Oct 2015 07:28:30 GMT", "garbage", "-5"]), Some(30));
        assert_eq!(of(&["garbage", "-5", "0"]), None);
        assert_eq!(of(&[]), None);
        assert_eq!(longest([&b"\xff\xfe"[..]], NOW), None);
    }

    proptest! {
        #[test]
        fn retry_after_never_panics_and_is_never_zero(value in proptest::collection::vec(any::<u8>(), 0..40), now in any::<i64>()) {
            let wait = longest([&value[..]], Timestamp::from_micros(now));
            prop_assert!(wait.is_none_or(|wait| wait > Duration::ZERO));
        }

        #[test]
        fn retry_after_seconds_round_up(whole in 0_u64..1_000_000, fraction in 0_u32..1_000) {
            let asked = Duration::from_secs(whole) + Duration::from_millis(u64::from(fraction));
            let wait = longest([format!("{whole}.{fraction:03}").as_bytes()], NOW);
            prop_assert_eq!(wait.is_none(), asked.is_zero());
            prop_assert!(wait.is_none_or(|wait| wait >= asked && wait < asked + Duration::from_secs(1)));
        }
    }
}
