//! A scrape as Prometheus parses it.

use std::collections::BTreeMap;

use cxone_exporter::exposition::Format;

use super::http::HttpResponse;
use crate::exposition::parser::{Document, Sample};

/// The metrics of a scrape, read by a parser that is independent of the code under test.
#[derive(Debug)]
pub(crate) struct Scraped {
    document: Document,
}

impl Scraped {
    pub(crate) fn read(response: &HttpResponse) -> Self {
        assert_eq!(response.status, 200, "{response:?}");
        let openmetrics = response.header("content-type").unwrap().starts_with("application/openmetrics-text");
        let format = if openmetrics { Format::OpenMetrics } else { Format::Text };
        let document = Document::parse(&response.text(), format).unwrap();
        Self { document }
    }

    /// The samples with this name, suffixes such as `_total` included.
    pub(crate) fn samples(&self, name: &str) -> impl Iterator<Item = &Sample> {
        let samples = self.document.families.iter().flat_map(|family| &family.samples);
        samples.filter(move |sample| sample.name == name)
    }

    /// The value of the sample with exactly these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_it = |sample: &&Sample| {
            sample.labels.len() == labels.len()
                && labels.iter().all(|(label, value)| sample.label(label) == Some(*value))
        };
        self.samples(name).find(is_it).map(|sample| sample.value)
    }

    /// The value of the sample without labels.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.get(name, &[])
    }

    /// Seconds by agent and state.
    pub(crate) fn seconds(&self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let mut seconds = BTreeMap::<String, BTreeMap<String, f64>>::new();
        for sample in self.samples("cxone_agent_state_seconds") {
            let [agent, state] = ["agent", "state"].map(|label| sample.label(label).unwrap().to_owned());
            seconds.entry(agent).or_default().insert(state, sample.value);
        }
        seconds
    }

    /// The values of `labels` of each sample of `name`.
    pub(crate) fn labels<const N: usize>(&self, name: &str, labels: [&str; N]) -> Vec<[String; N]> {
        // In Prometheus a missing label equals an empty one.
        let values = |sample: &Sample| labels.map(|label| sample.label(label).unwrap_or_default().to_owned());
        self.samples(name).map(values).collect()
    }

    /// The number of agents with fresh, stale and missing data.
    pub(crate) fn agents(&self) -> [f64; 3] {
        ["fresh", "stale", "missing"].map(|result| self.get("cxone_refresh_agents", &[("result", result)]).unwrap())
    }

    /// The values of `served` whose counters rose since the scrape `before`.
    pub(crate) fn served_since(&self, before: &Self) -> Vec<String> {
        let name = "cxone_exporter_scrapes_total";
        let of = |scrape: &Self, served: &str| scrape.get(name, &[("served", served)]).unwrap();
        let risen = |served: &&str| of(self, served) > of(before, served);
        ["fresh", "cooldown", "stale", "none"].into_iter().filter(risen).map(str::to_owned).collect()
    }
}
