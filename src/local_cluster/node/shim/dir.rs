//! The directory of one run of a container: all that the node and its shim share.
//!
//! Its files are the whole protocol between them, so that whoever starts later (a restarted
//! server) knows as much as whoever was there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::plan::{ContainerPlan, ExitRecord, StartRecord};

/// The directory of one run of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDir(PathBuf);

impl ContainerDir {
    /// The directory at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log file that is being written.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// A log file that was put aside: 1 is the one of the last time.
    #[must_use]
    pub fn old_log(&self, number: u32) -> PathBuf {
        self.0.join(format!("log.{number}"))
    }

    /// What the container leaves as its last words.
    #[must_use]
    pub fn termination_log(&self) -> PathBuf {
        self.0.join("termination-log")
    }

    /// The pipe that the shim reads its orders from.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    /// The pipe that tells when the command runs, and by its end that the shim is gone.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.0.join("events")
    }

    /// The file that the shim holds locked as long as it lives.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Where the container's root file system is put together.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Where what the container writes to the host's directories is kept, as the machine's root.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.0.join("layers")
    }

    /// What the shim itself has to say when something is wrong with it.
    #[must_use]
    pub fn complaint(&self) -> PathBuf {
        self.0.join("shim.err")
    }

    fn plan_file(&self) -> PathBuf {
        self.0.join("container.json")
    }

    fn start_file(&self) -> PathBuf {
        self.0.join("started.json")
    }

    fn exit_file(&self) -> PathBuf {
        self.0.join("exit.json")
    }

    /// Makes the directory and stores the plan.
    ///
    /// # Errors
    /// When the directory or the file cannot be written.
    pub fn create(&self, plan: &ContainerPlan) -> io::Result<()> {
        fs::create_dir_all(self.root())?;
        // Whoever loses a plan to a power failure has lost the container too.
        fs::write(self.plan_file(), serde_json::to_vec(plan)?)
    }

    /// The stored plan.
    ///
    /// # Errors
    /// When it is missing or not readable.
    pub fn plan(&self) -> io::Result<ContainerPlan> {
        load(&self.plan_file())?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Stores that the command runs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store_start(&self, record: &StartRecord) -> io::Result<()> {
        store(&self.start_file(), record, false)
    }

    /// Whether and where the command runs or ran.
    ///
    /// # Errors
    /// When the file is there and not readable.
    pub fn start(&self) -> io::Result<Option<StartRecord>> {
        load(&self.start_file())
    }

    /// Stores how the container ended; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store_exit(&self, record: &ExitRecord) -> io::Result<()> {
        store(&self.exit_file(), record, true)
    }

    /// How the container ended; none while it lives, or when its shim was lost.
    ///
    /// # Errors
    /// When the file is there and not readable.
    pub fn exit(&self) -> io::Result<Option<ExitRecord>> {
        load(&self.exit_file())
    }

    /// Whether a shim holds the lock.
    ///
    /// # Errors
    /// When the lock file cannot be opened for another reason than its absence.
    pub fn shim_alive(&self) -> io::Result<bool> {
        let file = match File::open(self.lock()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Written beside, then renamed: a reader sees the whole file or none.
fn store(path: &Path, value: &impl Serialize, durable: bool) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(parent) if durable => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_whether_the_shim_lives() {
        let temp = tempfile::tempdir().unwrap();
        let dir = ContainerDir::new(temp.path());
        assert!(!dir.shim_alive().unwrap());
        let held = File::create(dir.lock()).unwrap();
        held.lock().unwrap();
        assert!(dir.shim_alive().unwrap());
        drop(held);
        assert!(!dir.shim_alive().unwrap());
    }
}
