//! Reading the settings that a command is given.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use crate::config::Settings;
use crate::model::time::Day;

/// Reads an argument that is a day.
pub(super) fn day(text: &str) -> Result<Day, String> {
    let day = Day::parse(text).ok_or_else(|| "a day is written YYYY-MM-DD, such as 2026-01-31".to_owned())?;
    let years = Day::from_date(jiff::civil::date(1900, 1, 1))..=Day::from_date(jiff::civil::date(2099, 12, 31));
    if years.contains(&day) { Ok(day) } else { Err(format!("must be a day from {} to {}", years.start(), years.end())) }
}

/// Why there are no settings. A file is as short as the one that is named here.
fn unread(path: &Path, error: &std::io::Error) -> Failure {
    let advice = "without --config, everything has its default; config/examples/own-topic.toml is a file to start from";
    Failure::Usage(anyhow!("{}: {error}\n  {advice}", path.display()))
}

/// `--config`
#[derive(Args, Debug)]
pub(super) struct ConfigArgument {
    /// Settings in TOML; without it, defaults. Variables such as `STICKINESS__KAFKA__GROUP_ID` override single keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    /// The settings of the file with the environment over it.
    ///
    /// # Errors
    /// A usage failure: the file cannot be read, or settings are wrong.
    pub(super) fn read(&self) -> Result<Settings, Failure> {
        let text = match &self.config {
            Some(path) => fs::read_to_string(path).map_err(|error| unread(path, &error))?,
            None => String::new(),
        };
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => environment.push((name, value)),
                (Ok(name), Err(_)) if name.starts_with("STICKINESS__") => {
                    return Err(Failure::Usage(anyhow!("{name}: its value is not UTF-8 text")));
                }
                _ => {}
            }
        }
        Settings::read(&text, environment).map_err(|mistakes| {
            let place = self.config.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
            Failure::Usage(anyhow!("{place}{mistakes}"))
        })
    }
}
