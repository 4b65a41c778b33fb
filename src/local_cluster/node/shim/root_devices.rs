//! A container's own `/dev`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::root_mounts::{bind, own_memory};

/// Devices that touch nothing but themselves.
const HARMLESS: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `dev`, a directory of the new root.
///
/// # Errors
/// When a device cannot be shown.
pub fn make(dev: &Path) -> io::Result<()> {
    own_memory(dev, 0o755, Some(64 * 1024 * 1024))?;
    for name in HARMLESS {
        let from = Path::new("/dev").join(name);
        if from.exists() {
            let to = dev.join(name);
            File::create(&to)?;
            bind(&from, &to, false)?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name))?;
    }
    let shm = dev.join("shm");
    fs::create_dir(&shm)?;
    own_memory(&shm, 0o1777, None)?;
    let terminals = dev.join("pts");
    fs::create_dir(&terminals)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    // Without terminals of its own a container runs all the same.
    let _ = mount(Some("devpts"), &terminals, Some("devpts"), flags, options);
    Ok(())
}
