//! How far the reading is, for the person at the terminal.

use std::io::Read;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::input::Input;

/// Records between two updates of the message.
const UPDATE_RECORDS: u64 = 8192;

/// A bar of stored bytes with events a second, on standard error when that is a terminal; otherwise nothing.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    records: u64,
}

impl Progress {
    /// For reading all of `inputs`.
    #[must_use]
    pub fn new(inputs: &[Input]) -> Self {
        let total = inputs.iter().map(Input::stored_bytes).sum::<Option<u64>>();
        let template = match total {
            Some(_) => "{elapsed_precise} {bar:30} {binary_bytes}/{binary_total_bytes} {msg} ETA {eta}",
            None => "{elapsed_precise} {spinner} {binary_bytes} {msg}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
        Self { bar, records: 0 }
    }

    /// No bar, as in tests.
    #[must_use]
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), records: 0 }
    }

    /// Counts what is read of a stored file.
    pub(super) fn watch(&self, reader: Box<dyn Read + Send>) -> impl Read + Send + 'static {
        self.bar.wrap_read(reader)
    }

    /// Counts one record of the file `name`.
    pub(super) fn count(&mut self, name: &str) {
        self.records += 1;
        if self.records.is_multiple_of(UPDATE_RECORDS) && !self.bar.is_hidden() {
            let millis = u64::try_from(self.bar.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
            let speed = self.records.saturating_mul(1000) / millis;
            self.bar.set_message(format!("{} events/s {name}", HumanCount(speed)));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
