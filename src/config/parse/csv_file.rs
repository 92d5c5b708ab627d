//! Reads CSV files with a header. Each row becomes a mapping, so that it is read like an entry of the configuration.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::nearest::nearest;
use super::source;
use super::value::Value;
use super::yaml::{Entry, Node, NodeValue};
use crate::config::bounds::MAX_FILE_BYTES;
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};

/// A kind of CSV file.
pub(crate) struct CsvFile {
    /// The columns that it may have.
    pub(crate) columns: Vec<&'static str>,
    /// Those that it must have.
    pub(crate) required: &'static [&'static str],
    pub(crate) max_rows: usize,
    /// What to do with more rows.
    pub(crate) too_many: &'static str,
    /// A header, and what a row is.
    pub(crate) example: &'static str,
}

// === impl CsvFile ===

impl CsvFile {
    /// Calls `each` with each row of the file that `value` names, relative to `base_dir`.
    pub(crate) fn read(
        &self,
        value: &Value<'_>,
        base_dir: &Path,
        diagnostics: &mut Diagnostics,
        each: impl FnMut(&Node, &mut Diagnostics),
    ) {
        let Some(name) = value.text("the path of a CSV file", diagnostics) else { return };
        let path = base_dir.join(name);
        match source::read_text(&path, MAX_FILE_BYTES) {
            Ok(source) => {
                let place = diagnostics.add_source(path.display().to_string());
                self.read_rows(&source.text, place, diagnostics, each);
            }
            Err(unreadable) => match unreadable.line {
                Some(line) => {
                    let place = diagnostics.add_source(path.display().to_string()).at_line(line);
                    diagnostics.error(place, "", unreadable.problem);
                }
                None => {
                    let Problem { message, remedy } = unreadable.problem;
                    value.report(Problem::new(format!("{} {message}", path.display()), remedy), diagnostics);
                }
            },
        }
    }

    fn read_rows(
        &self,
        text: &str,
        file: Place,
        diagnostics: &mut Diagnostics,
        mut each: impl FnMut(&Node, &mut Diagnostics),
    ) {
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text.as_bytes());
        let mut lines = Lines { text, byte: 0, line: 1 };
        let mut record = StringRecord::new();
        let mut columns: Option<Vec<String>> = None;
        let mut rows = 0;
        loop {
            // The text is in memory and is UTF-8, and rows may have any length: reading cannot fail.
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    diagnostics.error(
                        file,
                        "",
                        Problem::new("is not CSV", "write one row a line, separated by commas"),
                    );
                    return;
                }
            }
            let place = file.at_line(lines.line_of(&record));
            let Some(columns) = &columns else {
                match self.read_header(&record, place, diagnostics) {
                    Some(header) => columns = Some(header),
                    None => return,
                }
                continue;
            };
            rows += 1;
            if rows > self.max_rows {
                let problem = Problem::new(format!("has more than {} rows", self.max_rows), self.too_many);
                diagnostics.error(place, "", problem);
                return;
            }
            if record.len() != columns.len() {
                let message = format!("fields in the row: {}, in the header: {}", record.len(), columns.len());
                let remedy = "write one field for each column; put a field with a comma in quotes";
                diagnostics.error(place, "", Problem::new(message, remedy));
                continue;
            }
            each(&self.row(&record, columns, place), diagnostics);
        }
        if columns.is_none() {
            diagnostics.error(file, "", Problem::new("is empty", format!("write a header, such as {}", self.example)));
        }
    }

    /// The columns of the header.
    fn read_header(&self, record: &StringRecord, place: Place, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
        let known = self.columns.as_slice();
        let columns: Vec<String> = record.iter().map(str::to_lowercase).collect();
        if let [column] = columns.as_slice()
            && let Some(separator) = [';', '\t', '|'].into_iter().find(|separator| column.contains(*separator))
        {
            let message = format!("the columns are separated by {}", quoted(&separator.to_string()));
            diagnostics.error(place, "", Problem::new(message, "save the file with commas"));
            return None;
        }
        if !columns
            .iter()
            .any(|column| known.contains(&column.as_str()) || nearest(column, known.iter().copied()).is_some())
        {
            let remedy = format!("begin with a line of column names: {}", known.join(", "));
            diagnostics.error(place, "", Problem::new("there is no header", remedy));
            return None;
        }
        let mut complete = true;
        for (index, column) in columns.iter().enumerate() {
            // Without a header the first row is an agent, so messages do not repeat its fields.
            let problem = if !known.contains(&column.as_str()) {
                let remedy = match nearest(column, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known columns: {}", known.join(", ")),
                };
                Problem::new(format!("column {} of the header is unknown", index + 1), remedy)
            } else if columns.iter().take(index).any(|other| other == column) {
                Problem::new(format!("the column `{column}` is there twice"), "keep one of the two")
            } else {
                continue;
            };
            diagnostics.error(place, "", problem);
            complete = false;
        }
        for missing in self.required.iter().filter(|required| !columns.iter().any(|column| column == **required)) {
            if complete {
                let remedy = if *missing == "id" { "add one with the agents' ids" } else { "add one" };
                diagnostics.error(place, "", Problem::new(format!("there is no column `{missing}`"), remedy));
            }
            complete = false;
        }
        complete.then_some(columns)
    }

    /// A row as a mapping; an empty field is an omitted key, unless it is required.
    fn row(&self, record: &StringRecord, columns: &[String], place: Place) -> Node {
        let entries = columns
            .iter()
            .zip(record.iter())
            .filter(|(column, field)| !field.is_empty() || self.required.contains(&column.as_str()));
        let entries =
            entries.map(|(column, field)| Entry { place, key: column.as_str().into(), node: Node::text(place, field) });
        Node { place, value: NodeValue::Map(entries.collect()) }
    }
}

/// Counts the lines before each record. The reader's count is wrong after CRLF and blank lines.
struct Lines<'a> {
    text: &'a str,
    byte: usize,
    line: usize,
}

// === impl Lines ===

impl Lines<'_> {
    /// The first line of `record`; must be called in the order of the records.
    fn line_of(&mut self, record: &StringRecord) -> usize {
        let start = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.byte);
        let bytes = self.text.as_bytes();
        // A record's position is the end of the previous one, before its line breaks.
        let breaks = bytes.iter().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let first = start + breaks;
        let passed = bytes.get(self.byte..first).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.byte = first;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_record_line_numbers() {
        for line_break in ["\n", "\r\n"] {
            let text = ["id,name", "1,a", "", "2,\"b", "c\"", "3,d", ""].join(line_break);
            let mut reader = ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let mut lines = Lines { text: &text, byte: 0, line: 1 };
            let found: Vec<_> = reader.records().map(|record| lines.line_of(&record.unwrap())).collect();
            assert_eq!(found, [1, 2, 4, 6], "{line_break:?}");
        }
    }
}
