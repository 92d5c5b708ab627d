//! The frame of a tenant's file: header, checksum, and the recorded attempts after the body. Pure.
//!
//! ```text
//! cxone-exporter-state 3 <bytes of the body> <CRC-32 of the body>
//! <the body: JSON without a line break>
//! attempt <microseconds since 1970> <CRC-32 of the line up to here>
//! ```
//!
//! Each refresh that started and has not replaced the file yet has one attempt line.

use thiserror::Error;

use crate::presence::Timestamp;

/// The first word of every file.
const MAGIC: &str = "cxone-exporter-state";

/// The version that is written, and the only one that is read. A file saves one refresh, which is not worth code that reads
/// older versions.
const VERSION: u32 = 3;

/// The longest header: the magic, a version, a length of twenty digits and a checksum of eight.
const MAX_HEADER_BYTES: usize = 80;

const ATTEMPT: &str = "attempt";

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum FormatError {
    /// It has another header.
    #[error("it was not written by this exporter")]
    Foreign,
    /// It is of another version.
    #[error("it has version {0}, and this exporter reads version {VERSION}")]
    Version(u32),
    /// It is shorter than its header says.
    #[error("it is cut off")]
    CutOff,
    /// Its checksum does not match.
    #[error("its checksum is wrong")]
    Checksum,
    /// It is intact, but its values are invalid. The text quotes nothing of the file, which may hold people's names.
    #[error("it is invalid: {0}")]
    Invalid(String),
}

/// The contents of an intact file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents<'a> {
    pub(super) body: &'a [u8],
    pub(super) attempts: Attempts,
}

/// The refreshes that started after the body was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Attempts {
    /// The number of attempts, a torn one included.
    pub(super) count: u32,
    /// The latest start in an intact line.
    pub(super) last: Option<Timestamp>,
    /// Whether a line is damaged: an attempt started at an unknown time.
    pub(super) torn: bool,
}

/// A file of `body` without attempts.
pub(super) fn frame(body: &[u8]) -> Vec<u8> {
    let mut file = format!("{MAGIC} {VERSION} {} {:08x}\n", body.len(), crc32fast::hash(body)).into_bytes();
    file.reserve_exact(body.len() + 1);
    file.extend_from_slice(body);
    file.push(b'\n');
    file
}

/// The line that records an attempt.
pub(super) fn attempt(started: Timestamp) -> String {
    let line = format!("{ATTEMPT} {}", started.micros());
    let checksum = crc32fast::hash(line.as_bytes());
    format!("{line} {checksum:08x}\n")
}

/// Splits a file into body and attempts.
///
/// # Errors
///
/// When the body is not intact. Damage after it counts as one more attempt.
pub(super) fn unframe(file: &[u8]) -> Result<Contents<'_>, FormatError> {
    let Some(end) = file.iter().take(MAX_HEADER_BYTES).position(|byte| *byte == b'\n') else {
        let begins_alike = file.starts_with(MAGIC.as_bytes()) || MAGIC.as_bytes().starts_with(file);
        return Err(if begins_alike { FormatError::CutOff } else { FormatError::Foreign });
    };
    let (header, rest) = file.split_at_checked(end).unwrap_or_default();
    let fields: Vec<&str> = std::str::from_utf8(header).map_err(|_| FormatError::Foreign)?.split(' ').collect();
    let [MAGIC, version, fields @ ..] = fields.as_slice() else {
        return Err(FormatError::Foreign);
    };
    match version.parse() {
        Ok(VERSION) => {}
        Ok(other) => return Err(FormatError::Version(other)),
        Err(_) => return Err(FormatError::Foreign),
    }
    let [length, checksum] = fields else {
        return Err(FormatError::Foreign);
    };
    let length: usize = length.parse().map_err(|_| FormatError::Foreign)?;
    let (body, rest) = rest.get(1..).and_then(|rest| rest.split_at_checked(length)).ok_or(FormatError::CutOff)?;
    if *checksum != format!("{:08x}", crc32fast::hash(body)) {
        return Err(FormatError::Checksum);
    }
    let lines = match rest {
        [] => return Err(FormatError::CutOff),
        [b'\n', lines @ ..] => lines,
        _ => return Err(FormatError::Checksum),
    };
    Ok(Contents { body, attempts: attempts(lines) })
}

fn attempts(lines: &[u8]) -> Attempts {
    let mut attempts = Attempts::default();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        attempts.count = attempts.count.saturating_add(1);
        match read_attempt(line) {
            Some(started) => attempts.last = attempts.last.max(Some(started)),
            None => attempts.torn = true,
        }
    }
    attempts
}

fn read_attempt(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    let started = text.strip_prefix(ATTEMPT)?.trim_start().split(' ').next()?;
    let started = Timestamp::from_micros(started.parse().ok()?);
    // Writing it again must give the same line, checksum included.
    (attempt(started) == text).then_some(started)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_700_000_000);

    #[test]
    fn frame_has_a_body_and_attempts() {
        let mut file = frame(b"{}");
        assert_eq!(String::from_utf8_lossy(&file), "cxone-exporter-state 3 2 a3a6bf43\n{}\n");
        assert_eq!(unframe(&file), Ok(Contents { body: b"{}", attempts: Attempts::default() }));
        file.extend(attempt(AT).bytes());
        file.extend(attempt(AT + std::time::Duration::from_secs(1)).bytes());
        file.extend(attempt(AT).bytes());
        let last = Some(Timestamp::from_seconds(1_700_000_001));
        assert_eq!(unframe(&file).unwrap().attempts, Attempts { count: 3, last, torn: false });
    }

    #[test]
    fn invalid_frames_have_distinct_errors() {
        let table: [(&[u8], FormatError); 14] = [
            (b"", FormatError::CutOff),
            (b"cxone-exp", FormatError::CutOff),
            (b"cxone-exporter-state 3 2 a3cb3e", FormatError::CutOff),
            (b"cxone-exporter-state 3 2 00000000\n{}\n", FormatError::Checksum),
            (b"cxone-exporter-state 3 5 00000000\n{}\n", FormatError::CutOff),
            (b"cxone-exporter-state 0 2 00000000\n{}\n", FormatError::Version(0)),
            (b"cxone-exporter-state 4 more to come\n{}\n", FormatError::Version(4)),
            (b"cxone-exporter-state Ada 2 00000000\n{}\n", FormatError::Foreign),
            (b"cxone-exporter-state 3 -2 00000000\n{}\n", FormatError::Foreign),
            (b"cxone-exporter-state 3 99999999999999999999999 00000000\n{}\n", FormatError::Foreign),
            (b"cxone-exporter-state 3 18446744073709551615 00000000\n{}\n", FormatError::CutOff),
            (b"cxone-exporter-state\n", FormatError::Foreign),
            (b"\xff\xfe\n", FormatError::Foreign),
            (b"tenants:\n  - name: acme\n", FormatError::Foreign),
        ];
        for (file, fault) in table {
            assert_eq!(unframe(file), Err(fault), "{}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn frame_cut_at_any_byte_is_refused_or_torn() {
        let whole = [frame(b"{\"a\":1}"), attempt(AT).into_bytes()].concat();
        let body_ends = whole.len() - attempt(AT).len();
        for length in 0..whole.len() {
            let read = unframe(&whole[..length]);
            if length < body_ends {
                assert_eq!(read, Err(FormatError::CutOff), "{length}");
            } else {
                let torn = length > body_ends;
                let attempts = Attempts { count: u32::from(torn), last: None, torn };
                assert_eq!(read, Ok(Contents { body: b"{\"a\":1}", attempts }), "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn frame_round_trip(body in proptest::collection::vec(any::<u8>(), 0..200), micros in any::<i64>()) {
            let at = Timestamp::from_micros(micros);
            let file = [frame(&body), attempt(at).into_bytes()].concat();
            let attempts = Attempts { count: 1, last: Some(at), torn: false };
            prop_assert_eq!(unframe(&file), Ok(Contents { body: &body, attempts }));
        }

        #[test]
        fn flipped_bits_are_detected(bit in 0..8_usize * 70) {
            let whole = [frame(b"{\"a\":[1,2,3,4,5,6,7,8,9]}"), attempt(AT).into_bytes()].concat();
            let mut flipped = whole.clone();
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
                let expected = unframe(&whole).unwrap();
                let noticed = unframe(&flipped).map_or(true, |read| read.attempts.torn && read.body == expected.body);
                prop_assert!(noticed, "{}", String::from_utf8_lossy(&flipped));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unframe(&file);
        }
    }
}
