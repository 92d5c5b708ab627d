//! What the terminals at the other end take.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

/// What may be used beyond plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Terminal {
    /// Whether states are coloured.
    pub(in crate::cli) colour: bool,
    /// Whether a long run shows how far it is, on stderr.
    pub(in crate::cli) progress: bool,
}

// === impl Terminal ===

impl Terminal {
    /// What this process's stdout and stderr take.
    pub(in crate::cli) fn detect() -> Self {
        let (no_colour, kind) = (env::var_os("NO_COLOR"), env::var_os("TERM"));
        Self {
            colour: io::stdout().is_terminal() && wants_colour(no_colour.as_deref(), kind.as_deref()),
            progress: io::stderr().is_terminal(),
        }
    }
}

/// Whether a terminal of this environment is to be coloured.
///
/// Source: <https://no-color.org>: a `NO_COLOR` that is set and not empty means no.
fn wants_colour(no_colour: Option<&OsStr>, terminal: Option<&OsStr>) -> bool {
    no_colour.is_none_or(OsStr::is_empty) && terminal.is_none_or(|terminal| terminal != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_are_left_plain() {
        let table = [
            (None, None, true),
            (Some(""), Some("xterm-256color"), true),
            (Some("1"), Some("xterm-256color"), false),
            (Some("0"), None, false),
            (None, Some("dumb"), false),
        ];
        for (no_colour, terminal, wanted) in table {
            assert_eq!(wants_colour(no_colour.map(OsStr::new), terminal.map(OsStr::new)), wanted);
        }
    }
}
