//! `Accept` and, in the second line, `Accept-Encoding`: every header yields a result, and an acceptable one.
#![no_main]

use cxone_exporter::exposition::{Encoding, Format, negotiate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: &str| {
    let (accept, encoding) = headers.split_once('\n').unwrap_or((headers, ""));
    let chosen = negotiate(Some(accept), Some(encoding));
    let (accept, encoding) = (accept.to_ascii_lowercase(), encoding.to_ascii_lowercase());
    assert!(chosen.format == Format::Text || accept.contains("openmetrics-text") || accept.contains('*'));
    assert!(chosen.encoding == Encoding::Identity || encoding.contains("gzip") || encoding.contains('*'));
});
