//! Real event logs against figures that others computed. The logs are not part of the repository: where they are absent each test is listed
//! as ignored, unless `STICKINESS_REQUIRE_DATA` is set, which makes their absence a failure.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod backtest;
mod logs;
mod loyalty;
mod posthog;
mod published;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A test with its name.
pub(crate) type Named = (String, Box<dyn FnOnce() + Send>);

/// Where the logs are: beside the repository.
fn data() -> PathBuf {
    std::env::var_os("STICKINESS_DATA").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from)
}

fn main() -> ExitCode {
    let present = data().is_dir();
    let required = std::env::var_os("STICKINESS_REQUIRE_DATA").is_some();
    let mut tests: Vec<Named> = Vec::new();
    backtest::add(&mut tests);
    logs::add(&mut tests);
    loyalty::add(&mut tests);
    posthog::add(&mut tests);
    published::add(&mut tests);
    let trial = |(name, test): Named| {
        let run = move || {
            if !present {
                return Err(Failed::from(format!("{} is absent", data().display())));
            }
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!present && !required)
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
