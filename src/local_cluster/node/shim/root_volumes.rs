//! Volumes at their places in a container's root.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::inside;
use super::plan::MountPlan;
use super::root_mounts::{bind, bind_read_only, own_memory};

/// Mounts every volume, outer places first.
///
/// # Errors
/// With the mount path and the reason.
pub fn mount_all(root: &Path, mounts: &[MountPlan]) -> io::Result<()> {
    let mut ordered: Vec<_> = mounts.iter().collect();
    ordered.sort_by_key(|mount| mount.target.components().count());
    for mount in ordered {
        mount_one(root, mount).map_err(|error| {
            let shown = mount.target.display();
            io::Error::new(error.kind(), format!("mount path {shown}: {error}"))
        })?;
    }
    Ok(())
}

fn mount_one(root: &Path, mount: &MountPlan) -> io::Result<()> {
    let place = inside::resolve(root, &mount.target)?;
    if !place.starts_with(root) || place == root {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if !place.exists() {
        make_place(root, &place, mount.source.is_dir())?;
    }
    if mount.read_only {
        bind_read_only(&mount.source, &place)
    } else {
        bind(&mount.source, &place, false)
    }
}

fn make_place(root: &Path, place: &Path, directory: bool) -> io::Result<()> {
    match try_to_make(place, directory) {
        Err(error) if unwritable(&error) => {
            let existing = place.ancestors().skip(1).find(|one| one.is_dir());
            let Some(parent) = existing.filter(|one| one.starts_with(root)) else {
                return Err(error);
            };
            open_up(parent)?;
            try_to_make(place, directory)
        }
        other => other,
    }
}

fn try_to_make(place: &Path, directory: bool) -> io::Result<()> {
    if directory {
        return fs::create_dir_all(place);
    }
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(place).map(drop)
}

fn unwritable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// Replaces a directory of the host by one in memory that shows the same entries, so that a new
/// one can be added.
fn open_up(directory: &Path) -> io::Result<()> {
    let entries: Vec<_> = fs::read_dir(directory)?.collect::<io::Result<_>>()?;
    // The entries are still reached through this handle when the memory lies over them.
    let handle = File::open(directory)?;
    let below = PathBuf::from(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&handle)
    ));
    own_memory(directory, 0o755, None)?;
    for entry in entries {
        let (from, to) = (
            below.join(entry.file_name()),
            directory.join(entry.file_name()),
        );
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
            continue;
        }
        if kind.is_dir() {
            fs::create_dir(&to)?;
        } else {
            File::create(&to)?;
        }
        bind_read_only(&from, &to)?;
    }
    Ok(())
}
