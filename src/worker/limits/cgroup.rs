//! Control groups of version 2, one for each attempt, below a group that this process may write to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use serde::{Deserialize, Serialize};

use crate::id::AttemptId;

/// The variable that names the folder below which attempts get their groups.
pub const BASE_VARIABLE: &str = "PHASELINE_CGROUP";

/// The group that this process goes into, since a group with processes cannot have groups with limits below it.
const OWN: &str = "phaseline-main";

/// How the name of an attempt's group begins.
const PREFIX: &str = "phaseline-attempt-";

/// The place of the groups of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cgroups {
    base: PathBuf,
}

impl Cgroups {
    /// Makes ready for groups of attempts: below the group that the environment names, or else below that of this process.
    ///
    /// # Errors
    /// Says why there can be none.
    pub(super) fn prepare() -> Result<Cgroups, String> {
        if let Some(base) = std::env::var_os(BASE_VARIABLE) {
            return Cgroups::below(base.into());
        }
        let (base, is_ready) = Cgroups::place()?;
        if is_ready {
            return Cgroups::below(base);
        }
        let own = base.join(OWN);
        let moved = make(&own).and_then(|()| fs::write(own.join("cgroup.procs"), "0"));
        moved.map_err(|error| format!("`{}` cannot be written: {error}", base.display()))?;
        Cgroups::below(base)
    }

    /// Tells whether there can be groups of attempts, and changes nothing.
    ///
    /// # Errors
    /// Says why there can be none.
    pub(super) fn look() -> Result<Cgroups, String> {
        let base = match std::env::var_os(BASE_VARIABLE) {
            Some(base) => PathBuf::from(base),
            None => Cgroups::place()?.0,
        };
        let control = base.join("cgroup.subtree_control");
        // The group to write to and the folder to make groups in.
        for path in [&control, &base] {
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
                .map_err(|error| format!("`{}` cannot be written: {}", path.display(), std::io::Error::from(error)))?;
        }
        Ok(Cgroups { base })
    }

    /// The group below which attempts would get theirs, and whether this process has made it ready.
    fn place() -> Result<(PathBuf, bool), String> {
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let membership = read(Path::new("/proc/self/cgroup"))?;
        let own = own_group(&mounts, &membership)?;
        if own.file_name().is_some_and(|name| name == OWN) {
            return Ok((own.parent().unwrap_or(&own).to_owned(), true));
        }
        let base = own;
        if !controls_memory(&base.join("cgroup.controllers")) {
            return Err(format!("`{}` has no control over memory", base.display()));
        }
        if controls_memory(&base.join("cgroup.subtree_control")) {
            return Ok((base, true));
        }
        let processes = read(&base.join("cgroup.procs"))?;
        if processes.split_whitespace().any(|pid| pid != process::id().to_string()) {
            return Err(format!("`{}` is not this program's alone", base.display()));
        }
        Ok((base, false))
    }

    /// The groups below `base`, which must hold no processes.
    pub(super) fn below(base: PathBuf) -> Result<Cgroups, String> {
        let control = base.join("cgroup.subtree_control");
        if !controls_memory(&control) {
            fs::write(&control, "+memory")
                .map_err(|error| format!("`{}` gives no control over memory: {error}", base.display()))?;
        }
        let groups = Cgroups { base };
        groups.remove_left_behind();
        Ok(groups)
    }

    /// The groups that whoever started this worker has made ready.
    pub(super) fn of_worker() -> Option<Cgroups> {
        std::env::var_os(BASE_VARIABLE).map(|base| Cgroups { base: base.into() })
    }

    /// The folder below which attempts get their groups.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Makes the group of an attempt and moves this process into it.
    pub(super) fn enter(&self, attempt: AttemptId, memory_bytes: Option<u64>) -> io::Result<AttemptGroup> {
        let group = self.base.join(format!("{PREFIX}{attempt}"));
        make(&group)?;
        if let Some(bytes) = memory_bytes {
            fs::write(group.join("memory.max"), bytes.to_string())?;
            // A kernel without swap accounting has no such file, and an older one cannot end a group as a whole.
            drop(fs::write(group.join("memory.swap.max"), "0"));
            drop(fs::write(group.join("memory.oom.group"), "1"));
        }
        fs::write(group.join("cgroup.procs"), "0")?;
        Ok(AttemptGroup(group))
    }

    /// Removes the groups of attempts that have ended while nobody looked. A group with processes is not removed.
    fn remove_left_behind(&self) {
        let Ok(entries) = fs::read_dir(&self.base) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
            drop(fs::remove_dir(entry.path()));
        }
    }
}

/// The control group of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptGroup(PathBuf);

impl AttemptGroup {
    /// Whether the kernel ended something in it because it needed more memory than it may use.
    pub fn has_exceeded_memory(&self) -> bool {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
        kills.is_some_and(|kills| kills > 0)
    }

    /// Ends every process in it.
    pub fn kill(&self) {
        drop(fs::write(self.0.join("cgroup.kill"), "1"));
    }

    /// Removes it, if no process is left in it.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The folder of the group of this process, from what the kernel tells of mounts and memberships.
fn own_group(mounts: &str, membership: &str) -> Result<PathBuf, String> {
    let none = || "this system has no control groups of version 2".to_owned();
    let path = membership.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(none)?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut fields = place.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup2 ").then_some((root, point))
    });
    let (root, point) = mount.ok_or_else(none)?;
    let below = Path::new(path).strip_prefix(root).map_err(|_| none())?;
    Ok(Path::new(point).join(below))
}

fn controls_memory(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|controllers| controllers.split_whitespace().any(|name| name == "memory"))
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_where_version_2_is_mounted() {
        let mounts =
            "24 1 0:22 / /proc rw - proc proc rw\n31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let found = own_group(mounts, "0::/system.slice/phaseline.service\n");
        assert_eq!(found, Ok(PathBuf::from("/sys/fs/cgroup/system.slice/phaseline.service")));
        let in_container = "31 24 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(own_group(in_container, "0::/docker/abc/x"), Ok(PathBuf::from("/sys/fs/cgroup/x")));
        assert!(own_group("", "4:memory:/x\n0::/\n").unwrap_err().contains("version 2"));
        assert!(own_group(mounts, "4:memory:/x\n").is_err());
    }

    #[test]
    fn an_attempt_gets_a_group_with_its_limit_and_an_empty_one_is_removed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let groups = Cgroups::below(folder.path().to_owned()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap(), "+memory");
        let group = groups.enter(AttemptId::generate(), Some(1 << 20)).unwrap();
        assert_eq!(fs::read_to_string(group.0.join("memory.max")).unwrap(), "1048576");
        assert_eq!(fs::read_to_string(group.0.join("memory.swap.max")).unwrap(), "0");
        assert!(!group.has_exceeded_memory());
        fs::write(group.0.join("memory.events"), "low 0\noom 1\noom_kill 1\n").unwrap();
        assert!(group.has_exceeded_memory());
        let empty = folder.path().join(format!("{PREFIX}of-another"));
        fs::create_dir(&empty).unwrap();
        Cgroups::below(folder.path().to_owned()).unwrap();
        assert!(!empty.exists());
    }
}
