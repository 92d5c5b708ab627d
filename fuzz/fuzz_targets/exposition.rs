//! Labels and values round-trip through both formats and encodings and an independent parser.
//!
//! A sample is eight bytes of a number, then two labels, each ended by 0xff.
#![no_main]

use std::io::Read as _;
use std::sync::Arc;

use cxone_exporter::exposition::{BlockBuilder, Encoding, Family, Format, Kind, Negotiated, Packing, assemble};
use flate2::read::GzDecoder;
use libfuzzer_sys::fuzz_target;

use self::parser::Document;

#[allow(dead_code, unreachable_pub, reason = "the suite uses more of it")]
#[path = "../../tests/suite/exposition/parser.rs"]
mod parser;

const WORDS: Family = Family { name: "words", help: "Words.", kind: Kind::Gauge, unit: None, labels: &["a", "b"] };

fn samples(mut data: &[u8]) -> Vec<([String; 2], f64)> {
    let mut samples: Vec<([String; 2], f64)> = Vec::new();
    while let Some((number, rest)) = data.split_first_chunk() {
        let mut fields = rest.splitn(3, |byte| *byte == 0xff);
        let mut label = || String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
        let labels = [label(), label()];
        data = fields.next().unwrap_or_default();
        samples.push((labels, f64::from_be_bytes(*number)));
    }
    samples
}

fuzz_target!(|data: &[u8]| {
    let samples = samples(data);
    let mut expected: Vec<&([String; 2], f64)> = Vec::new();
    for sample in &samples {
        if expected.iter().all(|(labels, _)| *labels != sample.0) {
            expected.push(sample);
        }
    }
    for packing in [Packing::Deflated, Packing::Stored] {
        let mut builder = BlockBuilder::new();
        let mut words = builder.family(&WORDS);
        samples.iter().for_each(|([a, b], value)| words.sample(&[a, b], *value));
        let block = Arc::new(builder.finish(packing));
        for format in [Format::Text, Format::OpenMetrics] {
            for encoding in [Encoding::Identity, Encoding::Gzip] {
                let payload = assemble(&[Arc::clone(&block)], Negotiated { format, encoding });
                let bytes = payload.chunks.concat();
                assert_eq!(bytes.len() as u64, payload.content_length);
                let mut text = String::new();
                match payload.content_encoding {
                    None => text = String::from_utf8(bytes).unwrap(),
                    Some(_) => assert!(GzDecoder::new(&*bytes).read_to_string(&mut text).is_ok()),
                }
                let document = Document::parse(&text, format).unwrap();
                let read = document.samples();
                assert_eq!(read.len(), expected.len());
                for (sample, ([a, b], value)) in read.into_iter().zip(&expected) {
                    assert_eq!((sample.label("a"), sample.label("b")), (Some(a.as_str()), Some(b.as_str())));
                    assert!(sample.value.to_bits() == value.to_bits() || (sample.value.is_nan() && value.is_nan()));
                }
            }
        }
    }
});
