//! What must hold whatever goes wrong, tried by making it go wrong. `tools/torture` runs the same with more trials.

mod artifacts;
mod database;
mod disk;
mod fleet;
mod freezes;
mod kills;
mod oracle;
mod poison;
mod restore;
mod upgrade;
mod workload;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// How many trials a scenario makes: `usual`, or that many times `PHASELINE_TORTURE`.
fn trials(usual: usize) -> usize {
    usual * std::env::var("PHASELINE_TORTURE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Ends a scenario: nothing may be wrong. What was tried goes to the report that `tools/torture` asks for.
#[track_caller]
fn conclude(scenario: &str, database: &str, trials: usize, violations: &[String]) {
    if let Some(path) = std::env::var_os("PHASELINE_TORTURE_REPORT") {
        let mut report = File::options().create(true).append(true).open(path).unwrap();
        writeln!(report, "{scenario} {database} {trials} {}", violations.len()).unwrap();
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Random numbers from a seed that is printed, so that what failed can be repeated with `PHASELINE_TORTURE_SEED`.
struct Chance(u64);

impl Chance {
    #[expect(clippy::print_stderr, reason = "a failed test shows how it can be repeated")]
    fn new(what: &str) -> Chance {
        let seed = std::env::var("PHASELINE_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
        eprintln!("{what}: PHASELINE_TORTURE_SEED={seed}");
        Chance(seed)
    }

    /// A number below `bound` (splitmix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Copies a folder with all its files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
