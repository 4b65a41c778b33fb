//! Paths of a container, seen from outside while its root is put together.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel itself would follow.
const MOST_LINKS: usize = 40;

/// Where `path` of the container lies on the host. Links are followed as they would be inside:
/// an absolute one starts at `root` again, and no `..` leads out of it. What is missing is taken
/// as it stands.
///
/// # Errors
/// When links go round in circles.
pub fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut left: VecDeque<OsString> = names(path).collect();
    let mut resolved = root.to_path_buf();
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            if resolved != root {
                resolved.pop();
            }
            continue;
        }
        let next = resolved.join(&name);
        let Ok(target) = fs::read_link(&next) else {
            resolved = next;
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(io::Error::from(nix::errno::Errno::ELOOP));
        }
        if target.is_absolute() {
            resolved = root.to_path_buf();
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(name);
        }
    }
    Ok(resolved)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        fs::create_dir_all(root.join("var")).unwrap();
        symlink("/run", root.join("var/run")).unwrap();
        symlink("../../../etc", root.join("var/up")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let resolved = |path: &str| resolve(root, Path::new(path)).unwrap();
        assert_eq!(resolved("/var/run/new/file"), root.join("run/new/file"));
        assert_eq!(resolved("/var/up/passwd"), root.join("etc/passwd"));
        assert_eq!(resolved("/../../tmp"), root.join("tmp"));
        assert!(resolve(root, Path::new("/circle/x")).is_err());
    }
}
