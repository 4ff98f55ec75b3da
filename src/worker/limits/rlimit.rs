//! A limit of the data of this process, which programs that it starts inherit.

use std::fs;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Limits what this process may use to `memory_bytes` more than it has now.
///
/// The kernel counts writable private memory (`RLIMIT_DATA`). The limit of the address space would also count mapped
/// files and what allocators and GPU drivers reserve without using it, which can be hundreds of times as much.
pub(super) fn apply(memory_bytes: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_DATA)?;
    let limit = memory_bytes.saturating_add(data_bytes().unwrap_or(0)).min(hard);
    Ok(setrlimit(Resource::RLIMIT_DATA, limit, limit)?)
}

/// What the kernel counts now.
fn data_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmData:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
