//! The name of this process as the holder of leases, by which others on this machine can tell whether it still lives.

use crate::worker::Claim;

/// Separates the part for people from the part that identifies the process.
const IDENTITY: &str = " process ";

/// The name of this process as the holder of leases.
pub fn this_process() -> String {
    let Claim { pid, start_ticks, boot } = Claim::of_this_process();
    format!("{}{IDENTITY}{pid} {start_ticks} {boot} {}", host(), process_namespace())
}

/// Whether `owner` names a process of this machine that does not run any more. What cannot be known is not gone.
pub fn is_gone(owner: &str) -> bool {
    let Some((machine, identity)) = owner.split_once(IDENTITY) else { return false };
    let parts: Vec<&str> = identity.split(' ').collect();
    let [pid, start_ticks, boot, namespace] = parts.as_slice() else { return false };
    let (Ok(pid), Ok(start_ticks)) = (pid.parse(), start_ticks.parse()) else { return false };
    // A container sees other process ids than its host: only within one namespace they mean the same.
    machine == host()
        && *namespace == process_namespace()
        && !Claim { pid, start_ticks, boot: (*boot).to_owned() }.is_alive()
}

/// The name of this machine.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn process_namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_that_has_ended_is_gone() {
        let living = this_process();
        assert!(!is_gone(&living));
        let claim = Claim::of_this_process();
        let ended = living.replace(&format!(" {} ", claim.start_ticks), &format!(" {} ", claim.start_ticks + 1));
        assert!(is_gone(&ended), "{ended}");
        assert!(!is_gone(&format!("elsewhere-{ended}")), "another machine is not ours to judge");
        assert!(!is_gone("a daemon"));
    }
}
