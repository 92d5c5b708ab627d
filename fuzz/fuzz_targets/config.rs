//! A configuration file: any text yields a configuration or a list of problems.
#![no_main]

use cxone_exporter::config::Config;
use cxone_exporter_fuzz::{in_folder, occurrences};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &[u8]| -> Corpus {
    // Otherwise the input could name any file of this machine, pipes and devices included.
    if occurrences(text, b"_file") > 0 {
        return Corpus::Reject;
    }
    in_folder(|folder| {
        let outcome = Config::from_file(&folder.write("config.yml", text));
        folder.check(&outcome, text, None);
    });
    Corpus::Keep
});
