//! The `stickiness` command: parse, dispatch, exit status.

use std::process::ExitCode;

use clap::Parser as _;
use stickiness::cli::{Arguments, Failure};

/// States and records are many small pieces, made and dropped all the time: with the system's allocator a third of a replay goes into it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
