//! Finding the program that a command names.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Where programs are looked for when the container's environment does not say.
const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The file that `name` means, looked for in `path` as a shell would.
///
/// # Errors
/// When there is none, with a sentence that says so.
pub fn find(name: &str, path: Option<&str>) -> io::Result<PathBuf> {
    if name.contains('/') {
        let file = PathBuf::from(name);
        return match file.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                Err(refused(name, &io::Error::from(io::ErrorKind::IsADirectory)))
            }
            Ok(_) => Ok(file),
            Err(error) => Err(refused(name, &error)),
        };
    }
    let directories = path
        .unwrap_or(USUAL)
        .split(':')
        .filter(|one| !one.is_empty());
    let mut candidates = directories.map(|directory| Path::new(directory).join(name));
    candidates.find(|file| executable(file)).ok_or_else(|| {
        let message = format!("exec: {name:?}: executable file not found in $PATH");
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

/// The sentence for a program that could not be executed.
pub fn refused(name: &str, error: &io::Error) -> io::Error {
    let known = [
        (io::ErrorKind::NotFound, "no such file or directory"),
        (io::ErrorKind::PermissionDenied, "permission denied"),
        (io::ErrorKind::IsADirectory, "is a directory"),
    ];
    let known = known.iter().find(|(kind, _)| *kind == error.kind());
    let why = known.map_or_else(|| error.to_string(), |(_, why)| (*why).to_owned());
    io::Error::new(error.kind(), format!("exec: {name:?}: {why}"))
}

fn executable(file: &Path) -> bool {
    file.is_file() && access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_for_in_the_path() {
        assert_eq!(
            find("sh", Some("/nowhere:/bin")).unwrap(),
            Path::new("/bin/sh")
        );
        let missing = find("no-such-program", None).unwrap_err().to_string();
        assert_eq!(
            missing,
            "exec: \"no-such-program\": executable file not found in $PATH"
        );
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(
            find("/bin/sh", Some("/nowhere")).unwrap(),
            Path::new("/bin/sh")
        );
        let missing = find("/no/such", None).unwrap_err().to_string();
        assert_eq!(missing, "exec: \"/no/such\": no such file or directory");
        assert!(
            find("/bin", None)
                .unwrap_err()
                .to_string()
                .ends_with("is a directory")
        );
    }
}
