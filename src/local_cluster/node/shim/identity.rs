//! Who a container's processes are.
//!
//! An ordinary user becomes root of a user namespace that knows nobody else: inside root, outside
//! still that user. The host's root keeps every number as it is but moves, as the last step, into
//! a user namespace of its own, where its powers over the machine (devices, mounts, modules, the
//! clock) end.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, getegid, geteuid};

/// The first process asks its shim to map the user ids of its new namespace.
pub const ASK: &[u8] = b"ids\n";
/// The shim has done so.
pub const GRANTED: &[u8] = b"ok\n";

/// What a container is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// Those of the machine's root.
    Machine,
    /// Those that an ordinary user has in a user namespace.
    User,
}

impl Powers {
    /// Its name as an argument of the first process.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::User => "user",
        }
    }

    /// The one that is called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Machine, Self::User]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// Makes this process's children start in a new PID namespace.
///
/// # Errors
/// When the machine allows it neither to us nor in a user namespace.
pub fn new_pid_namespace() -> io::Result<Powers> {
    if geteuid().is_root() && unshare(CloneFlags::CLONE_NEWPID).is_ok() {
        return Ok(Powers::Machine);
    }
    enter_as_root()?;
    Ok(Powers::User)
}

/// Enters a user and a PID namespace (the latter for children) as an ordinary user.
fn enter_as_root() -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))
}

/// Leaves the host's user namespace as root; `shim` grants the ids.
///
/// # Errors
/// When the machine does not allow it or the shim is gone.
pub fn leave_host(shim: &mut UnixStream) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    shim.write_all(ASK)?;
    let mut answer = [0; GRANTED.len()];
    shim.read_exact(&mut answer)
}

/// Gives `pid`, which is in a new user namespace, all the ids that we know ourselves.
///
/// # Errors
/// When the maps cannot be written.
pub fn grant(pid: Pid) -> io::Result<()> {
    for map in ["uid_map", "gid_map"] {
        let own = fs::read_to_string(format!("/proc/self/{map}"))?;
        fs::write(format!("/proc/{pid}/{map}"), same_numbers(&own))?;
    }
    Ok(())
}

/// A map of every number in `own` to itself.
fn same_numbers(own: &str) -> String {
    let ranges = own.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let first = fields.next()?;
        let count = fields.nth(1)?;
        Some(format!("{first} {first} {count}\n"))
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_the_same_numbers_keeps_every_range() {
        let own = "         0          0 4294967295\n";
        assert_eq!(same_numbers(own), "0 0 4294967295\n");
        let nested = "0 100000 1000\n1000 1000 1\n";
        assert_eq!(same_numbers(nested), "0 0 1000\n1000 1000 1\n");
    }
}
