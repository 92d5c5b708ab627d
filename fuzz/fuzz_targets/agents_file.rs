//! A list of agents as CSV: any text yields agents or a list of problems.
#![no_main]

use cxone_exporter::config::Config;
use cxone_exporter_fuzz::{in_folder, occurrences};
use libfuzzer_sys::{Corpus, fuzz_target};

const CONFIG: &[u8] = b"
tenants:
  - name: acme
    domain: acme.example.com
    client_id: my-client
    client_secret: hunter2-and-more
    agents_file: agents.csv
schedules:
  office: { timezone: Europe/Berlin, days: [mon-fri], hours: \"09:00-17:00\" }
";

const SECRET: &str = "hunter2-and-more";

fuzz_target!(|csv: &[u8]| -> Corpus {
    if occurrences(csv, SECRET.as_bytes()) > 0 {
        return Corpus::Reject;
    }
    in_folder(|folder| {
        folder.write("agents.csv", csv);
        let outcome = Config::from_file(&folder.write("config.yml", CONFIG));
        folder.check(&outcome, csv, Some(SECRET));
    });
    Corpus::Keep
});
