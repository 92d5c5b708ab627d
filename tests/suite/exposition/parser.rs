//! A strict parser of both formats, written from their specifications and independent of the code under test.

#![allow(clippy::unwrap_used, reason = "a test's helper")]

use std::collections::BTreeSet;

use cxone_exporter::exposition::Format;

/// A document, in its order.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) families: Vec<ParsedFamily>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ParsedFamily {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Document {
    /// Parses a document; a violation of the specification is an error with its line.
    pub(crate) fn parse(text: &str, format: Format) -> Result<Self, String> {
        let openmetrics = format == Format::OpenMetrics;
        let body = match (openmetrics, text.strip_suffix("# EOF\n")) {
            (true, Some(body)) => body,
            (true, None) => return Err("OpenMetrics ends with # EOF and a line feed".to_owned()),
            (false, _) => text,
        };
        if !body.is_empty() && !body.ends_with('\n') {
            return Err("the last line has no line feed".to_owned());
        }
        let mut families: Vec<ParsedFamily> = Vec::new();
        for line in body.split_terminator('\n') {
            let outcome = match line.strip_prefix("# ") {
                Some(metadata) => read_metadata(metadata, openmetrics, &mut families),
                None => read_sample(line)
                    .and_then(|sample| families.last_mut().ok_or("a sample without family")?.add(sample, openmetrics)),
            };
            outcome.map_err(|error| format!("{error}: {line}"))?;
        }
        let mut series = BTreeSet::new();
        let mut names = BTreeSet::new();
        for family in &families {
            if family.kind.is_empty() || family.samples.is_empty() || !names.insert(&family.name) {
                return Err(format!("{} is empty, without type, or there twice", family.name));
            }
            for sample in &family.samples {
                let mut labels = sample.labels.clone();
                labels.sort();
                if !series.insert((&sample.name, labels)) {
                    return Err(format!("the same series twice: {sample:?}"));
                }
            }
        }
        Ok(Self { families })
    }

    pub(crate) fn family(&self, name: &str) -> Option<&ParsedFamily> {
        self.families.iter().find(|family| family.name == name)
    }

    pub(crate) fn samples(&self) -> Vec<&Sample> {
        self.families.iter().flat_map(|family| &family.samples).collect()
    }
}

impl ParsedFamily {
    fn add(&mut self, sample: Sample, openmetrics: bool) -> Result<(), &'static str> {
        let suffix = sample.name.strip_prefix(&self.name).ok_or("a sample of another family")?;
        let allowed: &[&str] = match (self.kind.as_str(), openmetrics) {
            ("counter", true) => &["_total"],
            ("info", true) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("counter", false) | ("gauge", _) => &[""],
            _ => return Err("an unknown type"),
        };
        if !allowed.contains(&suffix) {
            return Err("a suffix that the type does not have");
        }
        self.samples.push(sample);
        Ok(())
    }

    /// The bounds and counts of a family that is one histogram.
    pub(crate) fn buckets(&self) -> Vec<(f64, f64)> {
        let buckets = self.samples.iter().filter(|sample| sample.name.ends_with("_bucket"));
        buckets.map(|sample| (read_number(sample.label("le").unwrap()).unwrap(), sample.value)).collect()
    }
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn read_metadata(line: &str, openmetrics: bool, families: &mut Vec<ParsedFamily>) -> Result<(), &'static str> {
    let mut words = line.splitn(3, ' ');
    let (Some(keyword), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return Err("metadata of fewer than three words");
    };
    if families.last().is_none_or(|family| family.name != name) {
        let name = name.to_owned();
        families.push(ParsedFamily { name, help: String::new(), kind: String::new(), unit: None, samples: Vec::new() });
    }
    let family = families.last_mut().ok_or("no family")?;
    if !family.samples.is_empty() {
        return Err("metadata below samples");
    }
    match keyword {
        "HELP" if family.help.is_empty() => family.help = unescape(rest, openmetrics)?,
        "TYPE" if family.kind.is_empty() => rest.clone_into(&mut family.kind),
        "UNIT" if openmetrics && family.unit.is_none() && name.ends_with(&format!("_{rest}")) => {
            family.unit = Some(rest.to_owned());
        }
        _ => return Err("metadata that is unknown, there twice, or not of this family"),
    }
    Ok(())
}

fn read_sample(line: &str) -> Result<Sample, &'static str> {
    let end = line.find(['{', ' ']).ok_or("a sample without a value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels: Vec<(String, String)> = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inside.split_once("=\"").ok_or("a label without a value")?;
            let (value, after) = read_quoted(after)?;
            if labels.iter().any(|(known, _)| known == label) || !is_word(label) {
                return Err("a label that is there twice or is no word");
            }
            labels.push((label.to_owned(), value));
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            inside = after.strip_prefix(',').ok_or("labels without a comma between")?;
        }
    }
    let value = rest.strip_prefix(' ').and_then(read_number).ok_or("a value that is no number")?;
    if is_word(name) { Ok(Sample { name: name.to_owned(), labels, value }) } else { Err("a name that is no word") }
}

/// Reads up to the closing quote; the rest of the line is behind it.
fn read_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, character)| {
        let closes = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        closes
    });
    let (inside, after) = text.split_at(end.ok_or("a quote that is not closed")?.0);
    Ok((unescape(inside, true)?, &after[1..]))
}

fn unescape(text: &str, quotes: bool) -> Result<String, &'static str> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                _ => return Err("an unknown escape"),
            },
            '"' if quotes => return Err("a quote that is not escaped"),
            other => other,
        });
    }
    Ok(plain)
}

fn read_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => digits.parse().ok(),
        _ => None,
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}
