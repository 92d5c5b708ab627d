//! Reads the variables of the `.env` file. The process environment is neither read nor changed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use super::source;
use super::variable_names::warn_if_unknown;
use crate::config::bounds::MAX_DOTENV_BYTES;
use crate::config::diagnostics::{Diagnostics, Place, Problem};
use crate::config::keys::VARIABLES;

/// The known variables of `.env`, each with its place.
pub(crate) type Variables = HashMap<&'static str, (String, Place)>;

/// The file `.env`.
#[derive(Default)]
pub(crate) struct Dotenv {
    pub(crate) variables: Variables,
    /// The file, if every user of the machine may read it.
    pub(crate) world_readable: Option<Place>,
}

/// The variables of `.env` in `dir`. A missing file has no variables.
pub(crate) fn read(dir: &Path, diagnostics: &mut Diagnostics) -> Dotenv {
    let path = dir.join(".env");
    let source = match source::read_text(&path, MAX_DOTENV_BYTES) {
        Ok(source) => source,
        Err(unreadable) if unreadable.not_found => return Dotenv::default(),
        Err(unreadable) => {
            let file = diagnostics.add_source(path.display().to_string());
            let place = unreadable.line.map_or(file, |line| file.at_line(line));
            diagnostics.unreadable(place, unreadable.problem);
            return Dotenv::default();
        }
    };
    let file = diagnostics.add_source(path.display().to_string());
    let variables = parse(&source.text, file, diagnostics);
    Dotenv { variables, world_readable: source.world_readable.then_some(file) }
}

fn parse(text: &str, file: Place, diagnostics: &mut Diagnostics) -> Variables {
    let mut variables = Variables::new();
    let (line, taken) = (Cell::new(0), RefCell::new(String::new()));
    for item in dotenvy::from_read_iter(LineByLine { rest: text, line: &line, taken: &taken }) {
        let raw = std::mem::take(&mut *taken.borrow_mut());
        let entry = without_comments(&raw);
        let first_line = (line.get() + 1).saturating_sub(entry.lines().count().max(1));
        let place = file.at_line(first_line);
        let Ok((name, value)) = item else {
            let remedy = "write NAME=value, with single quotes around a value that has spaces, quotes or backslashes";
            diagnostics.unreadable(place, Problem::new("the line is not of a form that is understood", remedy));
            continue;
        };
        let Some(variable) = VARIABLES.iter().find(|variable| variable.name == name) else {
            warn_if_unknown(&name, &[], place, diagnostics);
            continue;
        };
        if has_reference(entry) {
            let message = "has a `$`, which stands for another variable";
            diagnostics.error(place, &name, Problem::new(message, "write the value in single quotes"));
        }
        if let Some((_, first)) = variables.get(variable.name) {
            let problem = first.repeated("", place, diagnostics);
            diagnostics.error(place, &name, problem);
            continue;
        }
        variables.insert(variable.name, (value, place));
    }
    variables
}

/// `raw` without the empty lines and comments before the variable.
fn without_comments(raw: &str) -> &str {
    let mut rest = raw;
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            break;
        }
        rest = after;
    }
    rest
}

/// Whether `entry` has a `$` that is neither escaped, nor in single quotes, nor in a comment. Its replacement would
/// depend on other variables and could change a secret unnoticed.
fn has_reference(entry: &str) -> bool {
    let (mut single, mut double, mut escaped, mut after_space) = (false, false, false, false);
    for c in entry.chars() {
        match c {
            _ if escaped => escaped = false,
            '\'' if !double => single = !single,
            _ if single => {}
            '\\' => escaped = true,
            '"' => double = !double,
            '#' if after_space && !double => return false,
            '$' => return true,
            _ => {}
        }
        after_space = c.is_whitespace();
    }
    false
}

/// Returns one line per read, so that the line number of each variable is known.
struct LineByLine<'a> {
    rest: &'a str,
    line: &'a Cell<usize>,
    taken: &'a RefCell<String>,
}

// === impl LineByLine ===

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.split_inclusive('\n').next().unwrap_or("");
        let bytes = line.as_bytes().get(..line.len().min(buffer.len())).unwrap_or_default();
        let length = line.floor_char_boundary(bytes.len());
        let (now, rest) = self.rest.split_at(length);
        if let Some(target) = buffer.get_mut(..length) {
            target.copy_from_slice(now.as_bytes());
        }
        self.rest = rest;
        self.taken.borrow_mut().push_str(now);
        if now.ends_with('\n') || (rest.is_empty() && !now.is_empty()) {
            self.line.set(self.line.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The variables, and the problems as lines.
    fn parsed(text: &str) -> (Vec<(&'static str, String)>, String) {
        let mut diagnostics = Diagnostics::default();
        let file = diagnostics.add_source(".env");
        let mut variables: Vec<_> =
            parse(text, file, &mut diagnostics).into_iter().map(|(name, (value, _))| (name, value)).collect();
        variables.sort();
        (variables, diagnostics.into_error().to_string())
    }

    #[test]
    fn dotenv_with_export_quotes_and_comments() {
        let text = "# .env\nCXONE_TENANT_DOMAIN=acme.example.com\n\nexport CXONE_CLIENT_ID=\"my client\"\nCXONE_CLIENT_SECRET='a$b\\c #d'\r\nOTHER=$HOME\nCXONE_AGENT_ID=4711 # it's $5\n";
        let (variables, faults) = parsed(text);
        assert_eq!(
            variables,
            [
                ("CXONE_AGENT_ID", "4711".to_owned()),
                ("CXONE_CLIENT_ID", "my client".to_owned()),
                ("CXONE_CLIENT_SECRET", "a$b\\c #d".to_owned()),
                ("CXONE_TENANT_DOMAIN", "acme.example.com".to_owned()),
            ]
        );
        assert_eq!(faults, "");
    }

    #[test]
    fn malformed_dotenv_line_has_its_number_and_no_secret() {
        let table = [
            ("A=1\n\n# x\nnonsense hunter2\nB=2\n", vec![4]),
            ("A=1\nCXONE_CLIENT_SECRET=hunter2 hunter2\n", vec![2]),
            ("A=1\nCXONE_CLIENT_SECRET=hunter2 hunter2", vec![2]),
            ("A=1\r\n\r\nCXONE_CLIENT_SECRET=\"hunter2\r\nB=2\r\n", vec![3]),
            ("=hunter2\n=hunter2\n", vec![1, 2]),
            ("CXONE_CLIENT_SECRET=hunter2$x\n", vec![1]),
            ("CXONE_CLIENT_SECRET=\"hunter2${x}\"\n", vec![1]),
            ("CXONE_CLIENT_SECRET=hunter2\nCXONE_CLIENT_SECRET=hunter2\n", vec![2]),
        ];
        for (text, lines) in table {
            let (_, faults) = parsed(text);
            let found: Vec<usize> =
                faults.lines().map(|fault| fault.split(':').nth(1).unwrap().parse().unwrap()).collect();
            assert_eq!(found, lines, "{text:?}: {faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([A-Z]{1,3}|CXONE_AGENT_ID)?[=$'\"\\\\ #{}\r\na-zé]{0,40}") {
            parsed(&text);
        }
    }
}
