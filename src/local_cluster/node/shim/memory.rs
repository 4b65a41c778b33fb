//! How much memory a container takes.
//!
//! Control groups would know better, but an ordinary user seldom has any. So the shim adds up what
//! the container's processes have in memory, a few times a second: pages that they share count for
//! each of them, and a fast eater may get further than it should before it is noticed.

use std::fs;

use nix::unistd::{Pid, SysconfVar, sysconf};

/// What `first` and all its descendants have in memory, in bytes.
pub fn resident(first: Pid) -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let page = page
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096);
    let mut processes = vec![first.as_raw()];
    let mut next = 0;
    let mut pages: u64 = 0;
    while let Some(pid) = processes.get(next).copied() {
        pages += pages_of(pid).unwrap_or_default();
        processes.extend(children(pid));
        next += 1;
    }
    pages * page
}

fn pages_of(pid: i32) -> Option<u64> {
    let counts = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    counts.split_whitespace().nth(1)?.parse().ok()
}

/// Any of its threads may have started them.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_with_its_children() {
        let own = nix::unistd::getpid();
        assert!(resident(own) > 100_000);
        let mut child = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let number = i32::try_from(child.id()).unwrap();
        let found = children(own.as_raw()).contains(&number);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
