//! Containers as the server sees them: starting a shim, giving it orders, waiting for its news.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::shim::dir::ContainerDir;
use super::shim::plan::{ContainerPlan, ExitRecord};
use super::shim::{SHIM, orders};

/// How long a shim may take until it says that it is there.
const SHIM_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a shim that cannot be waited for.
const LOOK: Duration = Duration::from_millis(50);

/// What has become of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Its command runs since then.
    Started(Timestamp),
    /// It has ended.
    Ended(ExitRecord),
    /// Its shim is gone and has not said how it ended.
    Lost,
}

/// A container whose shim lives, or lived.
#[derive(Debug)]
pub struct ContainerHandle {
    dir: ContainerDir,
    /// The shim, if this process started it and so must reap it.
    shim: Option<Child>,
    events: Option<pipe::Receiver>,
    told_start: bool,
}

impl ContainerHandle {
    /// Starts the shim of a new container; `program` is this program's own file.
    ///
    /// # Errors
    /// When the directory cannot be made or the shim does not come up, with what it said.
    pub async fn launch(
        program: &Path,
        dir: ContainerDir,
        plan: &ContainerPlan,
    ) -> io::Result<Self> {
        dir.create(plan)?;
        let complaint = fs::File::create(dir.complaint())?;
        let mut shim = Command::new(program)
            .arg(SHIM)
            .arg(dir.path())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaint)
            // Out of the reach of an interrupt from the terminal, from its first moment on.
            .process_group(0)
            .spawn()?;
        if let Some(stdout) = shim.stdout.take() {
            let mut line = String::new();
            let mut reader = BufReader::new(stdout);
            let read = tokio::time::timeout(SHIM_PATIENCE, reader.read_line(&mut line)).await;
            if !matches!(read, Ok(Ok(1..))) {
                let said = fs::read_to_string(dir.complaint()).unwrap_or_default();
                let message = format!("the container's shim did not come up: {}", said.trim());
                return Err(io::Error::other(message));
            }
        }
        let mut handle = Self::adopt(dir)?;
        handle.shim = Some(shim);
        Ok(handle)
    }

    /// Takes up a container that an earlier server started.
    ///
    /// # Errors
    /// When its files are not readable.
    pub fn adopt(dir: ContainerDir) -> io::Result<Self> {
        // A shim opens its pipes before it takes its lock, so that a pipe without a writer means
        // that the shim is gone.
        let events = if dir.shim_alive()? {
            Some(pipe::OpenOptions::new().open_receiver(dir.events())?)
        } else {
            None
        };
        Ok(Self {
            dir,
            shim: None,
            events,
            told_start: false,
        })
    }

    /// Where the container's files are.
    #[must_use]
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// Waits for the next news. After [`News::Ended`] or [`News::Lost`] there is none.
    ///
    /// # Errors
    /// When its files are not readable.
    pub async fn next(&mut self) -> io::Result<News> {
        loop {
            if let Some(exit) = self.dir.exit()?
                && (self.told_start || exit.started_at.is_none())
            {
                self.reap().await;
                return Ok(News::Ended(exit));
            }
            if !self.told_start
                && let Some(start) = self.dir.start()?
            {
                self.told_start = true;
                return Ok(News::Started(start.started_at));
            }
            let Some(events) = &mut self.events else {
                if self.dir.shim_alive()? {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                return self.last_news().await;
            };
            let mut buffer = [0; 64];
            match events.read(&mut buffer).await {
                Ok(0) => self.events = None,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The shim may have written its last file between our look and its end. If it has not, its
    /// container dies with it; that is waited for, so that nobody is told too early.
    async fn last_news(&self) -> io::Result<News> {
        if let Some(exit) = self.dir.exit()? {
            return Ok(News::Ended(exit));
        }
        let gone = async {
            while end_survivors(&self.dir) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(SHIM_PATIENCE, gone).await;
        Ok(News::Lost)
    }

    async fn reap(&mut self) {
        if let Some(shim) = &mut self.shim {
            let _ = tokio::time::timeout(SHIM_PATIENCE, shim.wait()).await;
        }
    }
}

/// Asks the container in `dir` to end.
///
/// # Errors
/// When the shim lives and cannot be reached.
pub fn stop(dir: &ContainerDir) -> io::Result<()> {
    order(dir, orders::TERM)
}

/// Makes the container in `dir` end.
///
/// # Errors
/// When the shim lives and cannot be reached.
pub fn kill(dir: &ContainerDir) -> io::Result<()> {
    order(dir, orders::KILL)
}

/// Asks the container's shim to put its log aside and begin a new one.
///
/// # Errors
/// When the shim lives and cannot be reached.
pub fn rotate(dir: &ContainerDir) -> io::Result<()> {
    order(dir, orders::ROTATE)
}

fn order(dir: &ContainerDir, order: u8) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let opened = options.open(dir.control());
    let gone = |error: &io::Error| {
        error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ENXIO as i32)
    };
    match opened {
        Ok(mut control) => match control.write_all(&[order]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        },
        Err(error) if gone(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Ends a container whose shim is gone; tells whether there was anything to end. In namespaces the
/// kernel does so by itself; without them the command died with its shim, and what it had started
/// is in its group.
pub fn end_survivors(dir: &ContainerDir) -> bool {
    let Ok(Some(start)) = dir.start() else {
        return false;
    };
    let alive = start.alive();
    if alive {
        let pid = nix::unistd::Pid::from_raw(start.pid);
        // Errors mean that it has just ended by itself.
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
    }
    alive
}
