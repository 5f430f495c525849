//! The detectors that the alerts are compared with. All look at the same past days; a higher score is more of an alarm.

use stickiness::model::spike::DayCount;
use stickiness::model::spike::distribution::Expectation;

/// (count - median) / (1.4826 * median of the absolute deviations), over the same weekday.
pub(crate) fn weekday_mad(past: &[DayCount], today: DayCount) -> f64 {
    let rates = same_weekday(past, today);
    let middle = median(rates.clone());
    let spread = 1.4826 * median(rates.iter().map(|rate| (rate - middle).abs()).collect());
    (today.count as f64 / today.exposure - middle) / spread.max(1e-9)
}

/// -ln P(a Poisson is at least the count), whose mean is that of the same weekday.
pub(crate) fn seasonal_poisson(past: &[DayCount], today: DayCount) -> f64 {
    let rates = same_weekday(past, today);
    let mean = (rates.iter().sum::<f64>() / rates.len() as f64 * today.exposure).max(0.1);
    -Expectation { mean, dispersion: 1.0 }.at_least(today.count).ln()
}

/// (count - mean) / standard deviation, over all past days.
pub(crate) fn raw_z(past: &[DayCount], today: DayCount) -> f64 {
    let counts: Vec<f64> = past.iter().map(|day| day.count as f64).collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (counts.len() - 1) as f64;
    (today.count as f64 - mean) / variance.sqrt().max(1e-9)
}

fn same_weekday(past: &[DayCount], today: DayCount) -> Vec<f64> {
    let same = past.iter().filter(|day| today.day.days_since(day.day) % 7 == 0);
    same.map(|day| day.count as f64 / day.exposure).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[half - 1], values[half]) } else { values[half] }
}

/// The score that days without any incident pass `alarms` times a year.
pub(crate) fn threshold(mut clean: Vec<f64>, alarms: f64) -> f64 {
    clean.sort_by(|one, other| other.total_cmp(one));
    clean[(alarms * clean.len() as f64 / 365.0).round() as usize]
}
