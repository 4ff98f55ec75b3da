//! This machine and this process: how memory is limited, open files, GPUs, and whether the program was replaced.

use nix::sys::resource::{Resource, getrlimit};

use super::report::{Check, Finding};
use crate::executor::{Gpu, GpuProbe, has_gpu_driver, memory_bytes};
use crate::units;
use crate::worker::MemoryEnforcement;

/// Connections, files of SQLite, logs of workers: a daemon with many runs needs some for each.
const FEW_FILES: u64 = 1024;

pub(super) async fn check() -> Vec<Check> {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |found| found.count() as u64);
    let program = std::fs::read_link("/proc/self/exe").map(|path| path.to_string_lossy().into_owned());
    vec![
        memory(&MemoryEnforcement::look(), memory_bytes()),
        open_files(open, files),
        gpu(GpuProbe::new().look().await.as_deref(), has_gpu_driver()),
        replaced(&program.unwrap_or_default()),
    ]
}

fn memory(enforcement: &MemoryEnforcement, bytes: u64) -> Check {
    Check::new("memory", format!("{} for steps; {enforcement}", units::size(bytes)), Vec::new())
}

fn open_files(open: u64, most: u64) -> Check {
    let mut findings = Vec::new();
    let help = "raise it with `ulimit -n`, or `LimitNOFILE=` in the unit of the daemon";
    if open.saturating_mul(10) > most.saturating_mul(9) {
        findings.push(Finding::problem("open files", format!("{open} of {most} are open"), help));
    } else if most < FEW_FILES {
        findings.push(Finding::warning("open files", format!("only {most} may be open at once"), help));
    }
    Check::new("open_files", format!("{open} of {most} are open in this process"), findings)
}

fn gpu(found: Option<&[Gpu]>, has_driver: bool) -> Check {
    let Some(gpus) = found.filter(|gpus| !gpus.is_empty()) else {
        let finding = has_driver.then(|| {
            let message = "its driver is loaded, and `nvidia-smi` does not tell which there are";
            let help =
                "see that `nvidia-smi` is on the PATH and answers; a driver that was just upgraded needs a restart";
            Finding::warning("GPU", message, help)
        });
        return Check::new("gpu", "none is known", finding.into_iter().collect());
    };
    let told: Vec<String> = gpus
        .iter()
        .map(|gpu| match (gpu.free_bytes, gpu.total_bytes) {
            (Some(free), Some(total)) => {
                format!("{} with {} of {} free", gpu.index, units::size(free), units::size(total))
            }
            _ => format!("{}, whose memory is not told", gpu.index),
        })
        .collect();
    Check::new("gpu", format!("GPU {}", told.join("; ")), Vec::new())
}

/// `program` as the kernel names the file of a process.
fn replaced(program: &str) -> Check {
    let path = program.trim_end_matches(" (deleted)");
    let finding = (path != program).then(|| {
        let message = "the program was replaced or deleted since this process began: new attempts run another one";
        Finding::warning(path, message, "restart the daemon; running workers go on and are adopted")
    });
    let message = format!("phaseline {} in {path}", env!("CARGO_PKG_VERSION"));
    Check::new("program", message, finding.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn few_open_files_are_a_warning_and_none_left_a_problem() {
        assert_eq!(open_files(20, 4096).level, Level::Ok);
        assert_eq!(open_files(20, 256).level, Level::Warning);
        assert_eq!(open_files(95, 100).level, Level::Problem);
        assert_eq!(open_files(20, u64::MAX).level, Level::Ok);
    }

    #[test]
    fn a_gpu_that_cannot_be_asked_is_told() {
        assert_eq!((gpu(None, false).level, gpu(None, true).level), (Level::Ok, Level::Warning));
        let one = Gpu { index: 0, total_bytes: Some(16 << 30), free_bytes: Some(8 << 30) };
        let other = Gpu { index: 1, total_bytes: None, free_bytes: None };
        let told = gpu(Some(&[one, other]), true).message;
        assert_eq!(told, "GPU 0 with 8.0 GiB of 16.0 GiB free; 1, whose memory is not told");
    }

    #[test]
    fn a_program_that_was_replaced_under_a_daemon_is_told() {
        assert_eq!(replaced("/usr/bin/phaseline").level, Level::Ok);
        let check = replaced("/usr/bin/phaseline (deleted)");
        assert_eq!((check.level, check.findings[0].place.as_str()), (Level::Warning, "/usr/bin/phaseline"));
    }

    #[test]
    fn how_memory_is_kept_within_limits_is_said() {
        let way = MemoryEnforcement::EachProcess { because: "there are no groups".to_owned() };
        assert!(memory(&way, 8 << 30).message.contains("rlimit"), "{way}");
    }
}
