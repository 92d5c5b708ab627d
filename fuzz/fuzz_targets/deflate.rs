//! Compressed bytes, through another library's reader and back.
//!
//! The first byte says how often the others come, each time a little different, so that there are several blocks.
#![no_main]

use std::io::Read as _;

use cxone_exporter::exposition::fuzzing::deflate;
use flate2::read::DeflateDecoder;
use libfuzzer_sys::fuzz_target;

/// An empty block that is a stream's last one.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

fuzz_target!(|data: &[u8]| {
    let Some((times, data)) = data.split_first() else { return };
    let bytes: Vec<u8> = (0..=*times).flat_map(|time| data.iter().map(move |byte| byte ^ (time & 0x11))).collect();
    let mut out = Vec::new();
    deflate(&mut out, &bytes);
    // Each stored block takes five bytes and has 2¹⁵ at least, and the last one stands behind what does not fill a byte.
    assert!(out.len() <= bytes.len() + 5 * (bytes.len() / 0x8000 + 1) + 6, "{} of {}", out.len(), bytes.len());
    out.extend_from_slice(&LAST_BLOCK);
    let mut read = Vec::new();
    let mut decoder = DeflateDecoder::new(&*out);
    decoder.read_to_end(&mut read).unwrap();
    assert_eq!(decoder.total_in(), out.len() as u64);
    assert!(read == bytes);
});
