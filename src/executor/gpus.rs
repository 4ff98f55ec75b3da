//! The GPUs of this machine and how much of their memory is free, by asking `nvidia-smi`.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long an answer counts as fresh: the program takes a good part of a second.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// How long the program may take; a driver in trouble lets it hang.
const PATIENCE: Duration = Duration::from_secs(5);
const QUESTION: [&str; 2] = ["--query-gpu=index,memory.total,memory.free", "--format=csv,noheader,nounits"];

/// A GPU of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpu {
    /// Its number.
    pub index: u32,
    /// Its memory in bytes, if known.
    pub total_bytes: Option<u64>,
    /// How much of it nobody uses, programs that we know nothing of included.
    pub free_bytes: Option<u64>,
}

/// Asks for GPUs, and keeps the answer for a moment.
#[derive(Debug)]
pub struct GpuProbe {
    program: OsString,
    known: Mutex<Option<(Instant, Answer)>>,
}

#[derive(Debug, Clone)]
enum Answer {
    /// There is no such program, and will be none.
    NoProgram,
    /// It did not answer, or nothing that makes sense.
    Nothing,
    Gpus(Vec<Gpu>),
}

impl GpuProbe {
    /// Asks `nvidia-smi`, looked for on `PATH`.
    pub fn new() -> GpuProbe {
        GpuProbe::by("nvidia-smi")
    }

    fn by(program: impl Into<OsString>) -> GpuProbe {
        GpuProbe { program: program.into(), known: Mutex::new(None) }
    }

    /// The GPUs as they are now; none if nobody can tell.
    pub async fn look(&self) -> Option<Vec<Gpu>> {
        let mut known = self.known.lock().await;
        let is_current =
            |(at, answer): &&(Instant, Answer)| matches!(answer, Answer::NoProgram) || at.elapsed() < FRESH_FOR;
        let answer = match known.as_ref().filter(is_current) {
            Some((_, answer)) => answer.clone(),
            None => {
                let answer = self.ask().await;
                *known = Some((Instant::now(), answer.clone()));
                answer
            }
        };
        match answer {
            Answer::Gpus(gpus) => Some(gpus),
            Answer::NoProgram | Answer::Nothing => None,
        }
    }

    async fn ask(&self) -> Answer {
        let mut command = Command::new(&self.program);
        command.args(QUESTION).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        match timeout(PATIENCE, command.output()).await {
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Answer::NoProgram,
            Ok(Ok(output)) if output.status.success() => {
                parse(&String::from_utf8_lossy(&output.stdout)).map_or(Answer::Nothing, Answer::Gpus)
            }
            Ok(_) | Err(_) => {
                tracing::warn!("nvidia-smi does not tell what GPUs there are; they count as not shareable");
                Answer::Nothing
            }
        }
    }
}

/// Whether the driver of GPUs is loaded, whatever `nvidia-smi` says.
pub fn has_gpu_driver() -> bool {
    std::path::Path::new("/proc/driver/nvidia/version").exists()
}

impl Default for GpuProbe {
    fn default() -> GpuProbe {
        GpuProbe::new()
    }
}

/// Lines of index, total and free memory in MiB. Memory is `[N/A]` where a GPU shares that of the machine.
fn parse(answer: &str) -> Option<Vec<Gpu>> {
    let line = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let index = fields.next()?.parse().ok()?;
        let mut mebibytes = || fields.next().and_then(|field| field.parse::<u64>().ok()).map(|count| count << 20);
        Some(Gpu { index, total_bytes: mebibytes(), free_bytes: mebibytes() })
    };
    answer.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn probe(folder: &std::path::Path, script: &str) -> GpuProbe {
        let path = folder.join("nvidia-smi");
        fs::write(&path, format!("#!/bin/sh\necho asked >> {}/asked\n{script}\n", folder.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        GpuProbe::by(path)
    }

    #[tokio::test]
    async fn total_and_free_memory_are_asked_for_once_in_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let probe = probe(folder.path(), "echo '0, 16384, 9000'; echo '1, [N/A], [N/A]'");
        let gpus = probe.look().await.unwrap();
        assert_eq!(gpus[0], Gpu { index: 0, total_bytes: Some(16384 << 20), free_bytes: Some(9000 << 20) });
        assert_eq!(gpus[1], Gpu { index: 1, total_bytes: None, free_bytes: None });
        assert_eq!(probe.look().await.unwrap(), gpus);
        assert_eq!(fs::read_to_string(folder.path().join("asked")).unwrap(), "asked\n");
    }

    #[tokio::test]
    async fn where_nobody_can_tell_nothing_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(GpuProbe::by(folder.path().join("missing")).look().await, None);
        assert_eq!(probe(folder.path(), "exit 9").look().await, None);
        assert_eq!(probe(folder.path(), "echo 'NVIDIA-SMI has failed'").look().await, None);
    }
}
