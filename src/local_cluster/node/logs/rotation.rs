//! Logs that are put aside for new ones: on request, and for whoever reads on across the files.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::Value;
use tokio::fs::File;

use super::choice::status_of;
use crate::local_cluster::node::kubelet::place::PodPlace;
use crate::local_cluster::node::kubelet::shared::Shared;
use crate::local_cluster::node::runtime;
use crate::local_cluster::node::shim::dir::ContainerDir;
use crate::local_cluster::node::shim::log_writer::KEPT;

/// How long a shim may take to obey.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// Why a log was not put aside.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The node does so only with the logs of running containers.
    #[error("container {0:?} does not run: only the log of a running container is rotated")]
    NotRunning(String),
    /// A made-up log has no files.
    #[error("simulated containers have no log files to rotate")]
    Simulated,
    /// The machine is in the way.
    #[error("rotating the container's log: {0}")]
    Machine(#[from] io::Error),
}

/// Puts the log of `container` of `pod` aside, as if it had grown too large; it is done when this
/// returns.
///
/// # Errors
/// Why it was not done.
pub async fn rotate(shared: &Shared, pod: &Value, container: &str) -> Result<(), RotationError> {
    if shared.config.simulate {
        return Err(RotationError::Simulated);
    }
    let not_running = || RotationError::NotRunning(container.to_owned());
    if status_of(pod, container)["state"].get("running").is_none() {
        return Err(not_running());
    }
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let place = PodPlace::new(&shared.config.state_dir, uid);
    let number = place.newest_run(container).ok_or_else(not_running)?;
    let dir = place.run(container, number);
    let own = File::open(dir.log()).await?.metadata().await?.ino();
    runtime::rotate(&dir)?;
    let done = async {
        while after(&dir, own).await?.is_none() {
            if !dir.shim_alive()? {
                return Err(not_running());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, done)
        .await
        .unwrap_or_else(|_| {
            let why = "the container's shim does not do it: it was started by another version";
            Err(io::Error::other(why).into())
        })
}

/// The file that was begun after the one whose inode is `own`; none if that is the newest.
///
/// # Errors
/// When the files cannot be read.
pub async fn after(dir: &ContainerDir, own: u64) -> io::Result<Option<File>> {
    let Some(mut next) = open(dir.log()).await? else {
        return Ok(None);
    };
    // From the newest to the oldest, as they move: what is renamed meanwhile is met again.
    let mut number = 0;
    while next.metadata().await?.ino() != own {
        number += 1;
        let older = if number > KEPT {
            None
        } else {
            open(dir.old_log(number)).await?
        };
        match older {
            Some(older) if older.metadata().await?.ino() == own => return Ok(Some(next)),
            Some(older) => next = older,
            // Ours is not among them any more: it was the one before the oldest.
            None => return Ok(Some(next)),
        }
    }
    Ok(None)
}

async fn open(path: std::path::PathBuf) -> io::Result<Option<File>> {
    match File::open(path).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_reader_goes_from_file_to_file() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ContainerDir::new(temp.path());
        for (path, text) in [
            (dir.log(), "d"),
            (dir.old_log(1), "c"),
            (dir.old_log(2), "b"),
        ] {
            std::fs::write(path, text).unwrap();
        }
        let inode = |path| std::fs::metadata(path).unwrap().ino();
        for (own, expected) in [
            (u64::MAX, Some("b")),
            (inode(dir.old_log(2)), Some("c")),
            (inode(dir.old_log(1)), Some("d")),
            (inode(dir.log()), None),
        ] {
            let mut text = String::new();
            let next = after(&dir, own).await.unwrap();
            if let Some(mut file) = next {
                file.read_to_string(&mut text).await.unwrap();
            }
            assert_eq!(text, expected.unwrap_or_default());
        }
    }
}
