//! Giving a command inside a container a terminal of its own.
//!
//! The guard of the command (the process that has joined the container) holds one end of a new
//! terminal of the container and carries bytes between it and its own streams until the command
//! has ended. At the other end a process of ours takes the terminal as its session's own and
//! becomes the command.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Between two looks at the command when nothing moves, in milliseconds.
const LOOK_MILLIS: u8 = 20;
/// What ends the input of a terminal: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// Runs `program` under the name and with the arguments that `words` are, in the environment `env`,
/// on a new terminal. `own` is this program's own file; `sizes` is the pipe that the terminal's
/// sizes come through, a line `<columns> <rows>` each.
///
/// # Errors
/// When there is no terminal to be had, or the command cannot be started.
pub fn run(
    own: &File,
    sizes: File,
    program: &Path,
    words: &[OsString],
    env: &[(String, String)],
) -> io::Result<ExitStatus> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = OsString::from_vec(ptsname(&master, Vec::new())?.into_bytes());
    // Our own file cannot be seen in the container; through its open handle it can be run.
    let child = Command::new(format!("/proc/self/fd/{}", own.as_raw_fd()))
        .arg(super::TERMINAL)
        .arg(name)
        .arg(program)
        .args(words)
        .env_clear()
        .envs(env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let relay = Relay {
        master: File::from(master),
        sizes,
        from: File::from(io::stdin().as_fd().try_clone_to_owned()?),
        to: File::from(io::stdout().as_fd().try_clone_to_owned()?),
        child,
        input: Some(Vec::new()),
    };
    relay.run()
}

/// Takes the terminal `name` and becomes the command. Returns only if that fails.
#[must_use]
pub fn become_command(name: &OsStr, program: &Path, words: &[OsString]) -> ExitCode {
    let Err(error) = take_terminal(name, program, words);
    let _ = writeln!(io::stderr(), "{error}");
    // As a shell would tell it.
    ExitCode::from(126)
}

fn take_terminal(name: &OsStr, program: &Path, words: &[OsString]) -> io::Result<Infallible> {
    setsid()?;
    // The first terminal that the leader of a session opens becomes the session's own.
    let mut options = OpenOptions::new();
    let terminal = options.read(true).write(true).open(Path::new(name))?;
    dup2_stdin(&terminal)?;
    dup2_stdout(&terminal)?;
    dup2_stderr(&terminal)?;
    drop(terminal);
    let (zeroth, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let error = Command::new(program).arg0(zeroth).args(arguments).exec();
    let shown = String::from_utf8_lossy(zeroth.as_bytes());
    Err(super::program::refused(&shown, &error))
}

/// Opens the pipe that sizes come through. It must be opened before the container is joined.
///
/// # Errors
/// When it cannot be opened.
pub fn open_sizes(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // With a writer of our own it never comes to its end.
    options.read(true).write(true);
    options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

struct Relay {
    master: File,
    sizes: File,
    from: File,
    to: File,
    child: Child,
    /// Input that the terminal has not taken yet; none once its end was passed on.
    input: Option<Vec<u8>>,
}

impl Relay {
    fn run(mut self) -> io::Result<ExitStatus> {
        unblock(self.master.as_fd())?;
        unblock(self.from.as_fd())?;
        loop {
            self.wait()?;
            self.resize();
            self.feed()?;
            self.show()?;
            if let Some(status) = self.child.try_wait()? {
                // What it has written last is still in the terminal.
                while self.show()? {}
                return Ok(status);
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let mut fds = vec![
            PollFd::new(self.master.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.sizes.as_fd(), PollFlags::POLLIN),
        ];
        if self.input.as_ref().is_some_and(Vec::is_empty) {
            fds.push(PollFd::new(self.from.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::from(LOOK_MILLIS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let hung_up = |fd: &PollFd<'_>| fd.revents() == Some(PollFlags::POLLHUP);
        if fds.first().is_some_and(hung_up) {
            // Nobody has the terminal open, yet or any more: that would wake us all the time.
            std::thread::sleep(std::time::Duration::from_millis(LOOK_MILLIS.into()));
        }
        Ok(())
    }

    /// Passes on what the terminal shows; tells whether there was anything.
    fn show(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16384];
        match self.master.read(&mut buffer) {
            Ok(size @ 1..) => {
                self.to.write_all(buffer.get(..size).unwrap_or_default())?;
                Ok(true)
            }
            // Nothing there, or nobody at the other end.
            Ok(0) | Err(_) => Ok(false),
        }
    }

    fn feed(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        if input.is_empty() {
            let mut buffer = [0; 4096];
            match self.from.read(&mut buffer) {
                Ok(0) => {
                    self.input = None;
                    return self.master.write_all(&[END_OF_INPUT]);
                }
                Ok(size) => input.extend_from_slice(buffer.get(..size).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.master.write(input) {
            Ok(size) => {
                input.drain(..size);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn resize(&mut self) {
        let mut text = [0; 256];
        let Ok(size) = self.sizes.read(&mut text) else {
            return;
        };
        let text = String::from_utf8_lossy(text.get(..size).unwrap_or_default());
        let last = text.lines().last().unwrap_or_default();
        let mut numbers = last.split_whitespace().filter_map(|word| word.parse().ok());
        if let (Some(ws_col), Some(ws_row)) = (numbers.next(), numbers.next()) {
            let size = Winsize {
                ws_row,
                ws_col,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            // A terminal without a size is still a terminal.
            let _ = tcsetwinsize(&self.master, size);
        }
    }
}

fn unblock(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
