//! Who holds a claim: a process that can be proven dead.

use std::fmt;
use std::fs;

/// An engine's name in the store: boot id, pid namespace, pid and start time.
///
/// A process id alone comes round again, after a reboot at the latest, and means nothing in
/// another container. With all four a process on the same machine can be proven dead; of one
/// elsewhere nothing is proven, and its lease decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner(String);

impl Owner {
    /// This process.
    #[must_use]
    pub fn this_process() -> Self {
        let pid = std::process::id();
        let place = Place::here();
        let start = start_time(pid).unwrap_or_default();
        Self(format!("{}:{}:{pid}:{start}", place.boot, place.namespace))
    }

    /// Its text, as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pid in a stored owner's text, to name the process to a person.
pub(super) fn pid_of(owner: &str) -> Option<u32> {
    owner.split(':').nth(2)?.parse().ok()
}

/// Whether the process behind `owner` is gone for certain.
#[must_use]
pub fn is_provably_dead(owner: &str) -> bool {
    let parts: Vec<&str> = owner.split(':').collect();
    let [boot, namespace, pid, start] = parts.as_slice() else {
        return false;
    };
    let here = Place::here();
    if here.boot.is_empty() || *boot != here.boot {
        // Another machine, or this one before its last boot: nothing can be told apart.
        return false;
    }
    if here.namespace.is_empty() || *namespace != here.namespace {
        return false;
    }
    let Ok(pid) = pid.parse::<u32>() else {
        return false;
    };
    match start_time(pid) {
        Some(running) => running != *start,
        None => !fs::exists(format!("/proc/{pid}")).unwrap_or(true),
    }
}

/// Where pids have their meaning.
struct Place {
    boot: String,
    namespace: String,
}

impl Place {
    fn here() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid")
            .ok()
            .and_then(|link| link.to_str().map(str::to_owned))
            .unwrap_or_default();
        Self {
            boot: boot.trim().to_owned(),
            // `pid:[4026531836]`: the colon would split the owner's text.
            namespace: namespace.chars().filter(char::is_ascii_digit).collect(),
        }
    }
}

/// When a process began, in clock ticks since the boot, or none if it runs no more.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold spaces.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        assert!(!is_provably_dead(Owner::this_process().as_str()));
    }

    #[test]
    fn a_process_of_the_same_pid_that_began_at_another_time_is_dead() {
        let here = Owner::this_process();
        let (rest, start) = here.as_str().rsplit_once(':').unwrap();
        assert!(is_provably_dead(&format!("{rest}:{start}0")));
    }

    #[test]
    fn of_another_boot_or_namespace_nothing_is_proven() {
        let here = Owner::this_process();
        assert!(!is_provably_dead(&format!("x{here}")));
        let (boot, rest) = here.as_str().split_once(':').unwrap();
        assert!(!is_provably_dead(&format!("{boot}:1{rest}")));
        assert!(!is_provably_dead("nonsense"));
    }
}
