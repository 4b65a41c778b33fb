//! Putting a container's root file system together, and moving into it.
//!
//! There are no images: the host's own top directories are the root, on a file system of memory
//! that is the container's own. As the machine's root each of them is an overlay, so that the
//! container may write anywhere and nothing reaches the host; as an ordinary user they are
//! read-only. `/tmp`, `/run`, `/dev` and `/proc` are always the container's own.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::dir::ContainerDir;
use super::identity::Powers;
use super::plan::ContainerPlan;
use super::root_mounts::{bind, bind_read_only, own_memory, read_only};
use super::{inside, root_devices, root_volumes, submounts};

/// Top directories that the container gets new, not from the host.
const OWN: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "lost+found"];

/// Parts of `/proc` by which root could change the machine.
const PROC_READ_ONLY: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// Builds the root of the container in `dir` and makes it this process's root. The process must
/// have a mount namespace of its own.
///
/// # Errors
/// With a sentence that names what could not be mounted.
pub fn enter(dir: &ContainerDir, plan: &ContainerPlan, powers: Powers) -> io::Result<()> {
    const NONE: Option<&str> = None;
    // Nothing that is mounted from here on may show on the host.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let root = dir.root();
    own_memory(&root, 0o755, Some(plan.limits.scratch_bytes))?;
    let mut layers = vec![root.clone()];
    layers.extend(host_directories(dir, plan, powers)?);
    system_directories(&root, powers)?;
    for hidden in &plan.hidden {
        hide(&root, hidden, plan.limits.scratch_bytes)?;
    }
    root_volumes::mount_all(&root, &plan.mounts)?;
    if plan.read_only_root {
        for layer in &layers {
            read_only(layer)?;
        }
    }
    chdir(&root)?;
    // The old root ends up over the new one and is then taken away, by which nothing of it is
    // left to go back to.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    Ok(())
}

/// Shows the host's top directories. Gives those that are writable layers.
fn host_directories(
    dir: &ContainerDir,
    plan: &ContainerPlan,
    powers: Powers,
) -> io::Result<Vec<PathBuf>> {
    let root = dir.root();
    let layers = dir.layers();
    if powers == Powers::Machine {
        fs::create_dir_all(&layers)?;
        own_memory(&layers, 0o700, Some(plan.limits.scratch_bytes))?;
    }
    let mut writable = Vec::new();
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let name = entry.file_name();
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        let (from, to) = (entry.path(), root.join(&name));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            if plan.hidden.contains(&from) {
                continue;
            }
            let layered = powers == Powers::Machine && overlay(&from, &to, &layers).is_ok();
            if layered {
                show_submounts(&from, &to, &plan.hidden)?;
                writable.push(to);
            } else {
                bind_read_only(&from, &to)?;
            }
        }
    }
    Ok(writable)
}

/// Mounts `from` at `to` so that writes go to a layer of memory.
fn overlay(from: &Path, to: &Path, layers: &Path) -> io::Result<()> {
    let name = from.file_name().unwrap_or_default();
    let upper = layers.join("upper").join(name);
    let work = layers.join("work").join(name);
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    let metadata = fs::metadata(from)?;
    fs::set_permissions(&upper, metadata.permissions())?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        escaped(from),
        escaped(&upper),
        escaped(&work)
    );
    let options = Some(options.as_str());
    mount(
        Some("overlay"),
        to,
        Some("overlay"),
        MsFlags::empty(),
        options,
    )?;
    Ok(())
}

/// Overlay options are split at commas and colons.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for letter in path.to_string_lossy().chars() {
        if matches!(letter, '\\' | ',' | ':') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// An overlay shows only one file system: what is mounted below is shown again, read-only.
fn show_submounts(from: &Path, to: &Path, hidden: &[PathBuf]) -> io::Result<()> {
    for mounted in submounts::at_and_below(from)? {
        let Ok(below) = mounted.at.strip_prefix(from) else {
            continue;
        };
        let place = to.join(below);
        let secret = hidden.iter().any(|hidden| mounted.at.starts_with(hidden));
        if below.as_os_str().is_empty() || secret || !place.exists() {
            continue;
        }
        // Some file systems refuse to be shown twice; the container then sees an empty directory.
        if bind(&mounted.at, &place, false).is_ok() {
            read_only(&place)?;
        }
    }
    Ok(())
}

/// `/proc`, `/sys`, `/dev`, `/tmp`, `/run`: the container's own.
fn system_directories(root: &Path, powers: Powers) -> io::Result<()> {
    for (name, mode) in [("proc", 0o555), ("sys", 0o555), ("dev", 0o755)] {
        make(&root.join(name), mode)?;
    }
    for (name, mode) in [("tmp", 0o1777), ("run", 0o755), ("run/lock", 0o1777)] {
        make(&root.join(name), mode)?;
    }
    let shared = root.join("var/tmp");
    if shared.is_dir() {
        own_memory(&shared, 0o1777, None)?;
    }
    let proc = root.join("proc");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &proc, Some("proc"), flags, None::<&str>)?;
    if powers == Powers::Machine {
        for name in PROC_READ_ONLY {
            let part = proc.join(name);
            if part.exists() {
                bind(&part, &part, false)?;
                read_only(&part)?;
            }
        }
    }
    // Not every machine lets a user namespace show it; few programs miss it.
    let _ = bind_read_only(Path::new("/sys"), &root.join("sys"));
    root_devices::make(&root.join("dev"))?;
    name_service(root)
}

/// The address of the name server often lies below `/run`, which the container does not share.
fn name_service(root: &Path) -> io::Result<()> {
    let Ok(real) = fs::canonicalize("/etc/resolv.conf") else {
        return Ok(());
    };
    let own = ["/run", "/tmp"].iter().any(|own| real.starts_with(own));
    if !own {
        return Ok(());
    }
    let place = inside::resolve(root, &real)?;
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(&place)?;
    bind_read_only(&real, &place)
}

/// Puts an empty directory over `hidden`.
fn hide(root: &Path, hidden: &Path, size: u64) -> io::Result<()> {
    let place = inside::resolve(root, hidden)?;
    if place == root || !place.is_dir() {
        return Ok(());
    }
    own_memory(&place, 0o700, Some(size))
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_options_survive_odd_names() {
        assert_eq!(escaped(Path::new("/a,b:c\\d e")), "/a\\,b\\:c\\\\d e");
    }
}
