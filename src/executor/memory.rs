//! How much memory attempts on this machine can have: that of the machine, or of the control group of this process.

use std::fs;
use std::path::{Path, PathBuf};

/// The memory in bytes.
pub fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    let machine = system.totalram * u64::from(system.mem_unit);
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_limit(Path::new("/sys/fs/cgroup"), &membership).map_or(machine, |limit| limit.min(machine))
}

/// The smallest limit of a group of version 2 and of those above it.
fn group_limit(root: &Path, membership: &str) -> Option<u64> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut folder: PathBuf = root.join(own.trim_start_matches('/'));
    let mut smallest: Option<u64> = None;
    loop {
        // `max` is no limit, and the root has no such file.
        let limit = fs::read_to_string(folder.join("memory.max")).ok().and_then(|text| text.trim().parse().ok());
        smallest = smallest.into_iter().chain(limit).min();
        if folder == root || !folder.pop() {
            return smallest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_of_a_group_and_those_above_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("a/b");
        fs::create_dir_all(&own).unwrap();
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), None);
        fs::write(own.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("a/memory.max"), "1000\n").unwrap();
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), Some(1000));
        fs::write(own.join("memory.max"), "500\n").unwrap();
        assert_eq!(group_limit(root.path(), "1:cpu:/x\n0::/a/b\n"), Some(500));
        assert_eq!(group_limit(root.path(), "1:memory:/x\n"), None, "version 1");
    }
}
