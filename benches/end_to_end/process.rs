//! What the kernel knows of a process.

use std::fs;

/// Ticks of processor time a second, as Linux has them on all machines that this is built for.
const TICKS: f64 = 100.0;

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of processor time, of all its threads, in user and kernel mode.
    pub(crate) cpu_s: f64,
    /// The most memory that it ever held, in bytes.
    pub(crate) peak_bytes: u64,
}

/// What a process has taken until now.
pub(crate) fn usage(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may hold spaces.
    let after_name: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| after_name.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Usage { cpu_s: (ticks(11) + ticks(12)) / TICKS, peak_bytes: status(pid, "VmHWM:") }
}

/// A size in the status of a process, in bytes.
pub(crate) fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

/// How many processes wanted to run in the last minute, on average.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}
