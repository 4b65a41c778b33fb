//! The directory that is a cluster.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a cluster keeps its objects, keys, logs and containers. Only its owner can enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDir(PathBuf);

impl ClusterDir {
    /// The cluster in `path`, whether or not there is one yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that tells clients how to reach the cluster.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// What the server has to say.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("server.log")
    }

    /// Where the node keeps its containers.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    pub(super) fn start_lock(&self) -> PathBuf {
        self.0.join("start.lock")
    }

    pub(super) fn server_lock(&self) -> PathBuf {
        self.0.join("server.lock")
    }

    pub(super) fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    pub(super) fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    /// Names the program that was last started as the server.
    pub(super) fn program(&self) -> PathBuf {
        self.0.join("program")
    }

    pub(super) fn port(&self) -> PathBuf {
        self.0.join("port")
    }

    /// Makes the directory and closes it to everybody else.
    pub(super) fn create(&self) -> io::Result<()> {
        if let Some(parent) = self.0.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))
    }

    /// The control socket under a path that is short however deep the directory lies: sockets
    /// allow little more than a hundred bytes. The handle must be kept while the path is used.
    pub(super) fn socket(&self) -> io::Result<(File, PathBuf)> {
        let dir = File::open(&self.0)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd()));
        Ok((dir, path))
    }
}

/// Writes a file that only its owner can read, all at once or not at all.
pub(super) fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let next = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

/// Opens a lock file.
pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
