//! The `stickiness` command: parse, dispatch, exit status.

use std::process::ExitCode;

use clap::Parser as _;
use stickiness::cli::{Arguments, Failure};

fn main() -> ExitCode {
    match stickiness::cli::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Running(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
