//! `stickiness man`: the manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_mangen::{Man, generate_to};

use super::{Failure, print};

/// Print the manual page, or write one for each command too
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness man | man -l -
  stickiness man --directory /usr/local/share/man/man1; man stickiness-run")]
pub(super) struct ManArguments {
    /// Write stickiness.1 and a page for each command to this folder, which must be there, instead of printing the first
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(arguments: &ManArguments) -> Result<(), Failure> {
    let command = super::Arguments::command();
    if let Some(directory) = &arguments.directory {
        return generate_to(command, directory).with_context(|| directory.display().to_string()).map_err(Failure::Running);
    }
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(Failure::running)?;
    print(String::from_utf8_lossy(&page).trim_end())
}
