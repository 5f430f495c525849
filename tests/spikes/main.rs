//! What the alerts are worth: seeded simulations whose truth is known, and real series whose incidents others
//! labelled, and a real Alertmanager that gets them. The labelled series are
//! not part of the repository: where they are absent their tests are listed as ignored, unless `STICKINESS_REQUIRE_DATA` is set.
#![allow(missing_docs, clippy::print_stdout, reason = "a test, whose figures are to be read")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod alertmanager;
mod exodus;
mod labelled;
mod rivals;
mod sampling;
mod spikes;

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Where the labelled series are: beside the repository.
fn data() -> PathBuf {
    std::env::var_os("STICKINESS_DATA").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from)
}

fn main() -> ExitCode {
    let is_ignored = !data().is_dir() && std::env::var_os("STICKINESS_REQUIRE_DATA").is_none();
    let labelled = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        labelled("spikes of a simulated series", spikes::simulated),
        labelled("an exodus of a simulated population", exodus::simulated),
        labelled("incidents of a web shop", labelled::shop).with_ignored_flag(is_ignored),
        labelled("a real Alertmanager", alertmanager::real).with_ignored_flag(alertmanager::is_ignored()),
        labelled("windows of the Numenta benchmark", labelled::numenta).with_ignored_flag(is_ignored),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
