//! `stickiness completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::{Failure, print};

/// Print a script with which a shell completes commands and options
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness completions bash > ~/.local/share/bash-completion/completions/stickiness
  stickiness completions zsh > \"${fpath[1]}/_stickiness\"
  stickiness completions fish > ~/.config/fish/completions/stickiness.fish")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut super::Arguments::command(), "stickiness", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
