//! Leaving no process behind.
//!
//! In a PID namespace the kernel ends everybody with the first process. Without one the shim is
//! the reaper of the container's orphans, so that every process of it is its descendant, whatever
//! session or group it has moved to.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill as send, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// Ends every descendant of this process, `leader`'s group first.
pub fn kill(leader: Pid) {
    // Errors mean that nobody is left.
    let _ = killpg(leader, Signal::SIGKILL);
    // A process that forks while we look is found in a later round: its parent is dead by then.
    for _ in 0..100 {
        let left = descendants();
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = send(pid, Signal::SIGKILL);
        }
    }
}

/// Reaps all children that have ended; gives the exit code of `first` if it is among them.
///
/// # Errors
/// What `waitpid` has against it, other than that there are no children.
pub fn reap(first: Pid) -> Result<Vec<i32>, Errno> {
    let mut codes = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == first => codes.push(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == first => {
                codes.push(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(codes),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The living descendants of this process, found by their parents' numbers.
fn descendants() -> Vec<Pid> {
    let parents: Vec<(i32, i32)> = processes().collect();
    let mut found = vec![getpid().as_raw()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// Every living process with its parent. Zombies are left out: they cannot be killed again.
fn processes() -> impl Iterator<Item = (i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some((pid, parent))
    })
}
