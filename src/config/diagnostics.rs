//! Collects all problems of a configuration, each with its place and a remedy.
//!
//! A problem names keys, lines and ids. It never contains a secret or a person's name, because it is written to logs,
//! terminals and HTTP responses.

use std::fmt;

use super::Config;

/// Further problems are only counted on display, to bound the output.
const MAX_SHOWN_PROBLEMS: usize = 200;

/// The most characters of a value that a message repeats, so that one line stays one line.
const MAX_QUOTED_CHARS: usize = 60;

/// All problems of a refused configuration, ordered by file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One error or warning with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The path of the file as given, or `environment`.
    pub source: String,
    /// The line in that file, from 1; `None` where the problem concerns the whole file.
    pub line: Option<u32>,
    /// The key, such as `tenants[0].cooldown`, or the environment variable; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

/// What is wrong with a value and what to write instead, without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// A source and a line. Ordered by source, then by line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    source: u32,
    /// From 1; 0 is the whole source.
    line: u32,
}

/// Collects errors and warnings while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    sources: Vec<String>,
    errors: Vec<(Place, ConfigProblem)>,
    warnings: Vec<(Place, ConfigProblem)>,
    /// Whether a part of the sources could not be read.
    incomplete: bool,
}

// === impl ConfigError ===

impl ConfigError {
    /// All problems, ordered by file and line.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.problems.iter().take(MAX_SHOWN_PROBLEMS).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        match self.problems.len().saturating_sub(MAX_SHOWN_PROBLEMS) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more faults"),
        }
    }
}

impl std::error::Error for ConfigError {}

// === impl ConfigProblem ===

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}; {}", self.message, self.remedy)
    }
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

// === impl Place ===

impl Place {
    /// The `line` of this place's source; counts from 1.
    pub(crate) fn at_line(self, line: usize) -> Self {
        Self { source: self.source, line: u32::try_from(line).unwrap_or(u32::MAX) }
    }

    /// Whether this place is in the source of `other`.
    pub(crate) fn is_in(self, other: Self) -> bool {
        self.source == other.source
    }

    /// The problem that `subject` is repeated at `here` after this place. `subject` ends with a space, or is empty.
    pub(crate) fn repeated(self, subject: &str, here: Self, diagnostics: &Diagnostics) -> Problem {
        let first = match self.reference(here, diagnostics) {
            reference if reference.is_empty() => reference,
            reference => format!(", first {reference}"),
        };
        Problem::new(format!("{subject}is given twice{first}"), "keep one of the two")
    }

    /// This place as named in a message at `from`; empty where both are the same whole source.
    pub(crate) fn reference(self, from: Self, diagnostics: &Diagnostics) -> String {
        let line = match self.line {
            0 => String::new(),
            line => format!("in line {line}"),
        };
        if self.source == from.source {
            return line;
        }
        let source = diagnostics.source_name(self);
        if line.is_empty() { format!("in {source}") } else { format!("{line} of {source}") }
    }
}

// === impl Diagnostics ===

impl Diagnostics {
    /// Adds a file or the environment. Its problems are ordered after those of earlier sources.
    pub(crate) fn add_source(&mut self, name: impl Into<String>) -> Place {
        self.sources.push(name.into());
        Place { source: u32::try_from(self.sources.len() - 1).unwrap_or(u32::MAX), line: 0 }
    }

    pub(crate) fn error(&mut self, place: Place, key: impl fmt::Display, problem: Problem) {
        let error = self.locate(place, key, problem);
        self.errors.push((place, error));
    }

    pub(crate) fn warn(&mut self, place: Place, key: impl fmt::Display, problem: Problem) {
        let warning = self.locate(place, key, problem);
        self.warnings.push((place, warning));
    }

    /// Reports a part of a source that cannot be read, whose values are unknown.
    pub(crate) fn unreadable(&mut self, place: Place, problem: Problem) {
        self.error(place, "", problem);
        self.incomplete = true;
    }

    /// Whether a part of the sources could not be read.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub(crate) fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// The configuration with its warnings, if there is no error.
    pub(crate) fn finish(self, config: Config) -> Result<Config, ConfigError> {
        Ok(Config { warnings: self.into_warnings()?, ..config })
    }

    /// The warnings, if there is no error.
    pub(crate) fn into_warnings(mut self) -> Result<Vec<String>, ConfigError> {
        if !self.errors.is_empty() {
            return Err(self.into_error());
        }
        self.warnings.sort_by_key(|(place, _)| *place);
        Ok(self.warnings.iter().map(|(_, warning)| warning.to_string()).collect())
    }

    pub(crate) fn into_error(mut self) -> ConfigError {
        self.errors.sort_by_key(|(place, _)| *place);
        ConfigError { problems: self.errors.into_iter().map(|(_, error)| error).collect() }
    }

    fn locate(&self, place: Place, key: impl fmt::Display, problem: Problem) -> ConfigProblem {
        ConfigProblem {
            source: self.source_name(place).to_owned(),
            line: (place.line > 0).then_some(place.line),
            key: key.to_string(),
            message: problem.message,
            remedy: problem.remedy,
        }
    }

    fn source_name(&self, place: Place) -> &str {
        usize::try_from(place.source).ok().and_then(|source| self.sources.get(source)).map_or("", String::as_str)
    }
}

/// `text` in backticks for a message: control characters escaped, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: usize) -> ConfigError {
        let mut diagnostics = Diagnostics::default();
        let (first, second) = (diagnostics.add_source("a.yml"), diagnostics.add_source("b.csv"));
        diagnostics.error(second.at_line(1), "id", Problem::new("is empty", "write an id"));
        for line in (1..count).rev() {
            diagnostics.error(first.at_line(line), "", Problem::new("is wrong", "write it right"));
        }
        diagnostics.into_error()
    }

    #[test]
    fn problems_are_ordered_by_source_and_line() {
        assert_eq!(
            found(3).to_string(),
            "a.yml:1: is wrong; write it right\na.yml:2: is wrong; write it right\nb.csv:1: id: is empty; write an id"
        );
    }

    #[test]
    fn display_counts_problems_above_the_maximum() {
        let shown = found(MAX_SHOWN_PROBLEMS + 5).to_string();
        assert_eq!(shown.lines().count(), MAX_SHOWN_PROBLEMS + 1);
        assert!(shown.ends_with("… and 5 more faults"));
    }

    #[test]
    fn quoted_escapes_and_truncates() {
        assert_eq!(quoted("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quoted(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
    }
}
