//! The few kinds of mount that a container's root is made of.

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::submounts;

const NONE: Option<&str> = None;

/// A file system in memory at `at`, of at most `size` bytes (else half of the machine's memory).
///
/// # Errors
/// When it cannot be mounted.
pub fn own_memory(at: &Path, mode: u32, size: Option<u64>) -> io::Result<()> {
    let mut options = format!("mode={mode:o}");
    if let Some(size) = size {
        options.push_str(&format!(",size={size}"));
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        at,
        Some("tmpfs"),
        flags,
        Some(options.as_str()),
    )
    .map_err(|errno| sentence("mounting memory at", at, errno))
}

/// Shows `from` at `to`, with what is mounted below it if `deep`.
///
/// # Errors
/// When it cannot be mounted.
pub fn bind(from: &Path, to: &Path, deep: bool) -> io::Result<()> {
    let flags = if deep {
        MsFlags::MS_BIND | MsFlags::MS_REC
    } else {
        MsFlags::MS_BIND
    };
    mount(Some(from), to, NONE, flags, NONE).map_err(|errno| sentence("showing", from, errno))
}

/// Shows `from` at `to`, with what is mounted below it, all of it read-only.
///
/// # Errors
/// When it cannot be mounted or made read-only.
pub fn bind_read_only(from: &Path, to: &Path) -> io::Result<()> {
    bind(from, to, true)?;
    for mounted in submounts::at_and_below(to)? {
        remount_read_only(&mounted)?;
    }
    Ok(())
}

/// Makes the mount at `at` read-only, without those below it.
///
/// # Errors
/// When the machine refuses.
pub fn read_only(at: &Path) -> io::Result<()> {
    let mounts = submounts::at_and_below(at)?;
    match mounts.iter().find(|mounted| mounted.at == at) {
        Some(mounted) => remount_read_only(mounted),
        None => Err(sentence("making read-only", at, nix::errno::Errno::EINVAL)),
    }
}

fn remount_read_only(mounted: &submounts::Mounted) -> io::Result<()> {
    let wanted = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    mount(NONE, &mounted.at, NONE, wanted | mounted.flags, NONE)
        .map_err(|errno| sentence("making read-only", &mounted.at, errno))
}

fn sentence(doing: &str, what: &Path, errno: nix::errno::Errno) -> io::Error {
    let kind = io::Error::from(errno).kind();
    io::Error::new(
        kind,
        format!("{doing} {}: {}", what.display(), errno.desc()),
    )
}
