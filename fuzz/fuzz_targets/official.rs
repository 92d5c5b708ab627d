//! A page of a list of the official API: the number of rows is bounded by the size of the body, and the envelope of an API
//! version does not matter. The input is read as a duration of the history as well.
#![no_main]

use cxone_exporter::upstream::official_api::fuzzing::{LISTS, duration};
use libfuzzer_sys::fuzz_target;

/// The fewest bytes of a row: `0` and what is between it and the next.
const LEAST_ROW: u64 = 2;
/// Well below what `serde_json` follows, which is 128.
const DEEP: usize = 100;

/// How deep lists and objects lie in each other, at the most.
fn depth(body: &[u8]) -> usize {
    body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count()
}

fuzz_target!(|body: &[u8]| {
    let wrapped = [br#"{"resultSet":"#, body, b"}"].concat();
    for (list, read) in LISTS {
        let Ok(page) = read(body) else { continue };
        assert!(page.rows * LEAST_ROW <= body.len() as u64 + 1, "{list}: {page:?}");
        assert!(
            page.next.iter().flatten().all(|link| !link.is_empty() && link.len() <= body.len()),
            "{list}: {page:?}"
        );
        match read(&wrapped) {
            Ok(again) => assert_eq!(again, page, "{list}"),
            Err(error) => assert!(depth(body) > DEEP, "{list}: {error}"),
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        assert_eq!(duration(&text.to_ascii_uppercase()), duration(&text.to_ascii_lowercase()));
    }
});
