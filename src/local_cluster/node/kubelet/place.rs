//! Where a pod's files lie on the node.
//!
//! `pods/<uid>/volumes/<name>` and `pods/<uid>/containers/<name>/<run>`, runs counted from 1.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::local_cluster::node::shim::dir::ContainerDir;

/// The runtime that container ids name.
const RUNTIME: &str = "adjourn";

/// The directory of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPlace {
    path: PathBuf,
    uid: String,
}

impl PodPlace {
    /// The place of the pod `uid` below the node's state directory.
    #[must_use]
    pub fn new(state_dir: &Path, uid: &str) -> Self {
        Self {
            path: pods(state_dir).join(uid),
            uid: uid.to_owned(),
        }
    }

    /// The places of all pods that have one.
    ///
    /// # Errors
    /// When the state directory cannot be read.
    pub fn all(state_dir: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(pods(state_dir)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut places = Vec::new();
        for entry in entries {
            if let Some(uid) = entry?.file_name().to_str() {
                places.push(Self::new(state_dir, uid));
            }
        }
        Ok(places)
    }

    /// The pod's uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Where its volumes are.
    #[must_use]
    pub fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// One run of one container.
    #[must_use]
    pub fn run(&self, container: &str, number: u32) -> ContainerDir {
        ContainerDir::new(self.runs(container).join(number.to_string()))
    }

    /// The number of the newest run of a container; none if it never had one.
    #[must_use]
    pub fn newest_run(&self, container: &str) -> Option<u32> {
        let entries = fs::read_dir(self.runs(container)).ok()?.flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // Without a lock there has never been a shim.
        numbers
            .filter(|number| self.run(container, *number).lock().exists())
            .max()
    }

    /// Every run of every container.
    #[must_use]
    pub fn all_runs(&self) -> Vec<ContainerDir> {
        let containers = fs::read_dir(self.path.join("containers"));
        let containers = containers.into_iter().flatten().flatten();
        containers
            .filter_map(|entry| fs::read_dir(entry.path()).ok())
            .flat_map(|runs| runs.flatten())
            .map(|run| ContainerDir::new(run.path()))
            .collect()
    }

    /// The id of one run, as the API shows it.
    #[must_use]
    pub fn id(&self, container: &str, number: u32) -> String {
        let digest = Sha256::digest(format!("{}/{container}/{number}", self.uid));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{RUNTIME}://{hex}")
    }

    /// Removes everything. Whatever it was mounted into must be gone.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.path)?;
                fs::remove_dir_all(&self.path)
            }
            other => other,
        }
    }

    fn runs(&self, container: &str) -> PathBuf {
        self.path.join("containers").join(container)
    }
}

/// A container may have closed directories in a volume even to their owner.
fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn pods(state_dir: &Path) -> PathBuf {
    state_dir.join("pods")
}
