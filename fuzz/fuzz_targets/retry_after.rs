//! `Retry-After`, one header a line: the wait is positive and that of the longest header.
#![no_main]

use cxone_exporter::presence::Timestamp;
use cxone_exporter::upstream::fuzzing::retry_after;
use libfuzzer_sys::fuzz_target;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fuzz_target!(|headers: &[u8]| {
    let values: Vec<&[u8]> = headers.split(|byte| *byte == b'\n').collect();
    let wait = retry_after(&values, NOW);
    assert!(wait.is_none_or(|wait| !wait.is_zero()));
    assert_eq!(wait, values.iter().filter_map(|value| retry_after(&[value], NOW)).max());
    // The server's clock moves a date nearer, and no number of seconds.
    let later = retry_after(&values, Timestamp::from_seconds(1_700_000_060));
    assert!(later <= wait, "{later:?} is longer than {wait:?}");
});
