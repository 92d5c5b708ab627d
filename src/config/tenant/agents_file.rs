//! Reads agents from a CSV file. Its columns are the keys of an agent; each row is read like an entry of `agents`.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::agents::{AgentList, References};
use crate::config::bounds::{MAX_AGENTS, MAX_FILE_BYTES};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::{self, AGENT};
use crate::config::parse::nearest::nearest;
use crate::config::parse::source;
use crate::config::parse::value::Value;
use crate::config::parse::yaml::{Entry, Node, NodeValue};

/// Adds the agents of the file that `value` names, relative to `base_dir`.
pub(crate) fn add(
    value: &Value<'_>,
    base_dir: &Path,
    references: &References<'_>,
    agent_list: &mut AgentList,
    diagnostics: &mut Diagnostics,
) {
    let Some(name) = value.text("the path of a CSV file", diagnostics) else { return };
    let path = base_dir.join(name);
    match source::read_text(&path, MAX_FILE_BYTES) {
        Ok(source) => {
            let place = diagnostics.add_source(path.display().to_string());
            add_rows(&source.text, place, references, agent_list, diagnostics);
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

fn add_rows(
    text: &str,
    file: Place,
    references: &References<'_>,
    agent_list: &mut AgentList,
    diagnostics: &mut Diagnostics,
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
                diagnostics.error(file, "", Problem::new("is not CSV", "write one row a line, separated by commas"));
                return;
            }
        }
        let place = file.at_line(lines.line_of(&record));
        let Some(columns) = &columns else {
            match read_header(&record, place, diagnostics) {
                Some(header) => columns = Some(header),
                None => return,
            }
            continue;
        };
        rows += 1;
        if rows > MAX_AGENTS {
            let problem = Problem::new(format!("has more than {MAX_AGENTS} rows"), "spread them over tenants");
            diagnostics.error(place, "", problem);
            return;
        }
        if record.len() != columns.len() {
            let message = format!("fields in the row: {}, in the header: {}", record.len(), columns.len());
            let remedy = "write one field for each column; put a field with a comma in quotes";
            diagnostics.error(place, "", Problem::new(message, remedy));
            continue;
        }
        let row = row(&record, columns, place);
        agent_list.add(&Value::root(&row), references, diagnostics);
    }
    if columns.is_none() {
        diagnostics.error(
            file,
            "",
            Problem::new("is empty", "write a header, such as `id,name,team`, and a row an agent"),
        );
    }
}

/// The columns, which are keys of an agent.
fn read_header(record: &StringRecord, place: Place, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let known = keys::of(AGENT);
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
    if complete && !columns.iter().any(|column| column == "id") {
        diagnostics.error(place, "", Problem::new("there is no column `id`", "add one with the agents' ids"));
        complete = false;
    }
    complete.then_some(columns)
}

/// A row as an agent's mapping; an empty field is an omitted key.
fn row(record: &StringRecord, columns: &[String], place: Place) -> Node {
    let entries = columns.iter().zip(record.iter()).filter(|(column, field)| !field.is_empty() || *column == "id");
    let entries =
        entries.map(|(column, field)| Entry { place, key: column.as_str().into(), node: Node::text(place, field) });
    Node { place, value: NodeValue::Map(entries.collect()) }
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
