//! What this process takes of the machine, from `/proc`, under the names that every Prometheus client uses.

use std::fs;

/// What the process takes now. What the system does not tell is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) open_files: Option<f64>,
    pub(super) most_files: Option<f64>,
    pub(super) started_at_seconds: Option<f64>,
}

/// Measures this process.
pub(super) fn usage() -> Usage {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let fields = fields(&stat);
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    Usage {
        cpu_seconds: ticks(11).zip(ticks(12)).map(|(user, system)| (user + system) / ticks_per_second),
        resident_bytes: ticks(21).map(|pages| pages * rustix::param::page_size() as f64),
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64),
        most_files: limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok()),
        started_at_seconds: boot
            .lines()
            .find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok())
            .zip(ticks(19))
            .map(|(boot, since_boot)| boot + since_boot / ticks_per_second),
    }
}

/// The fields of `/proc/self/stat` after the program's name, which may hold anything.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_something_of_everything() {
        let usage = usage();
        assert!(usage.resident_bytes.unwrap() > 1e6 && usage.resident_bytes.unwrap() < 1e11, "{usage:?}");
        assert!(usage.open_files.unwrap() >= 3.0 && usage.most_files.unwrap() >= usage.open_files.unwrap());
        assert!(usage.cpu_seconds.unwrap() < 1e5 && usage.started_at_seconds.unwrap() > 1.6e9, "{usage:?}");
    }

    #[test]
    fn a_program_may_be_named_like_the_end_of_its_name() {
        assert_eq!(fields("12 (a) b) S 1 2"), ["S", "1", "2"]);
    }
}
