//! Completions of the command line, for packages to install.

use std::io::{self, Write};

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};

/// Prints the completions for a shell.
pub(super) fn run(args: &CompletionsArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // The generator panics where it cannot write, so it writes where it always can.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.write_all(&script)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_learns_of_flags_and_commands() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut script = Vec::new();
            run(&CompletionsArgs { shell }, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for word in ["config.file", "web.listen-address", "report", "simulate"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
