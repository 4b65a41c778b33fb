//! What is mounted below a directory, as the kernel tells it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

/// A mount and those of its flags that a remount must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where it is.
    pub at: PathBuf,
    /// Flags that must be given again when it is remounted.
    pub flags: MsFlags,
}

/// The mounts at and below `path`, outer ones first.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn at_and_below(path: &Path) -> io::Result<Vec<Mounted>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let all = table.split(|byte| *byte == b'\n').filter_map(parse);
    let mut found: Vec<_> = all.filter(|mounted| mounted.at.starts_with(path)).collect();
    found.sort_by_key(|mounted| mounted.at.components().count());
    found.dedup_by(|one, other| one.at == other.at);
    Ok(found)
}

fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ').skip(4);
    let at = PathBuf::from(OsString::from_vec(plain(fields.next()?)));
    let mut flags = MsFlags::empty();
    for option in fields.next()?.split(|byte| *byte == b',') {
        flags |= match option {
            b"ro" => MsFlags::MS_RDONLY,
            b"nosuid" => MsFlags::MS_NOSUID,
            b"nodev" => MsFlags::MS_NODEV,
            b"noexec" => MsFlags::MS_NOEXEC,
            b"noatime" => MsFlags::MS_NOATIME,
            b"nodiratime" => MsFlags::MS_NODIRATIME,
            b"relatime" => MsFlags::MS_RELATIME,
            _ => MsFlags::empty(),
        };
    }
    Some(Mounted { at, flags })
}

/// Undoes the table's escapes: `\040` is a space.
fn plain(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut left = escaped;
    while let Some((first, rest)) = left.split_first() {
        let code = rest
            .get(..3)
            .and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 8).ok());
        match (first, byte) {
            (b'\\', Some(byte)) => {
                plain.push(byte);
                left = rest.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                left = rest;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_understood() {
        let line = b"36 35 98:0 / /mnt/a\\040b rw,nosuid,relatime master:1 - ext3 /dev/root rw";
        let mounted = parse(line).unwrap();
        assert_eq!(mounted.at, Path::new("/mnt/a b"));
        assert_eq!(mounted.flags, MsFlags::MS_NOSUID | MsFlags::MS_RELATIME);
        assert!(parse(b"").is_none());
    }
}
