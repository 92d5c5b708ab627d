//! `.env`, and with it intervals, cooldowns and addresses: any text yields a configuration or a list of problems.
#![no_main]

use cxone_exporter::config::Config;
use cxone_exporter_fuzz::{in_folder, occurrences};
use libfuzzer_sys::{Corpus, fuzz_target};

const SECRET: &str = "hunter2-and-more";

fuzz_target!(|text: &[u8]| -> Corpus {
    // Otherwise the input could name any file of this machine, pipes and devices included.
    if occurrences(text, b"_FILE") + occurrences(text, SECRET.as_bytes()) > 0 {
        return Corpus::Reject;
    }
    in_folder(|folder| {
        folder.write(".env", text);
        let complete = |name: &str| match name {
            "CXONE_CLIENT_ID" => Some("my-client".to_owned()),
            "CXONE_CLIENT_SECRET" => Some(SECRET.to_owned()),
            _ => None,
        };
        folder.check(&Config::from_environment(&complete, folder.path()), text, Some(SECRET));
        folder.check(&Config::from_environment(&|_| None, folder.path()), text, None);
    });
    Corpus::Keep
});
