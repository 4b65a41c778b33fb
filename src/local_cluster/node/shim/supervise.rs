//! The shim: the one process that a container cannot do without.
//!
//! It holds the container's pipes, writes its log, and at the end writes how it ended. It is a
//! session of its own and needs no server: whoever started it may die, and a later one finds the
//! container by its directory. It has one thread, because only such a process may enter a user
//! namespace.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo, setsid};

use super::dir::ContainerDir;
use super::identity::Powers;
use super::log_writer::{LogWriter, Output};
use super::plan::{ContainerPlan, ExitRecord, Isolation, StartRecord};
use super::{identity, memory, orders, survivors};

/// How long the outputs of a dead container may stay open before they are given up.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Between two looks at the memory of a container that has a limit, in milliseconds.
const LOOK_MILLIS: u8 = 50;

/// Runs the shim of the container in `dir` until the container has ended.
#[must_use]
pub fn run(dir: &Path) -> ExitCode {
    let dir = ContainerDir::new(dir);
    match shim(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the complaint file; there is nobody else to tell.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn shim(dir: &ContainerDir) -> io::Result<()> {
    let plan = dir.plan()?;
    let log = LogWriter::open(dir, plan.log)?;
    let control = open_pipe(&dir.control())?;
    let events = open_pipe(&dir.events())?;
    let lock = File::create(dir.lock())?;
    lock.try_lock()?;
    // The pipes come before the lock: who sees the lock held may rely on them.
    tell_ready()?;
    let _ = setsid();
    let signals = watch_signals()?;
    let report = match start(dir, &plan) {
        Ok(container) => Shim {
            dir,
            container,
            log,
            control,
            events: &events,
            signals,
            started: None,
            start_error: None,
            memory_bytes: plan.limits.memory_bytes,
            out_of_memory: false,
        }
        .watch()?,
        Err(error) => ExitRecord::not_started(error.to_string(), Timestamp::now()),
    };
    dir.store_exit(&report)
}

/// A named pipe that stays open whoever comes and goes at its other end.
fn open_pipe(path: &Path) -> io::Result<File> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// The server waits for this line on our standard output, which is a pipe until then.
fn tell_ready() -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(nothing)?;
    Ok(())
}

fn watch_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ] {
        set.add(signal);
    }
    set.thread_block()?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    Ok(SignalFd::with_flags(&set, flags)?)
}

/// A started first process and our ends of what connects us with it.
struct Container {
    pid: Pid,
    isolation: Isolation,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Over this the first process asks for its user ids and tells why it could not go on. It is
    /// closed by the moment in which the command takes over.
    talk: Option<UnixStream>,
}

fn start(dir: &ContainerDir, plan: &ContainerPlan) -> io::Result<Container> {
    let powers = match plan.isolation {
        Isolation::Namespaces => identity::new_pid_namespace()?,
        Isolation::Plain => {
            set_child_subreaper(true)?;
            Powers::User
        }
    };
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new("/proc/self/exe")
        .arg(super::INIT)
        .arg(dir.path())
        .arg(powers.name())
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    ours.set_nonblocking(true)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    if let Some(pipe) = &stdout {
        unblock(pipe.as_fd())?;
    }
    if let Some(pipe) = &stderr {
        unblock(pipe.as_fd())?;
    }
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok(Container {
        pid: Pid::from_raw(pid),
        isolation: plan.isolation,
        stdout,
        stderr,
        talk: Some(ours),
    })
}

fn unblock(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

struct Shim<'a> {
    dir: &'a ContainerDir,
    container: Container,
    log: LogWriter,
    control: File,
    events: &'a File,
    signals: SignalFd,
    started: Option<Timestamp>,
    start_error: Option<String>,
    memory_bytes: Option<u64>,
    out_of_memory: bool,
}

impl Shim<'_> {
    /// Serves the container until it has ended and its outputs are drained.
    fn watch(mut self) -> io::Result<ExitRecord> {
        let mut ended: Option<(i32, Timestamp, Instant)> = None;
        loop {
            self.wait(ended.is_some())?;
            self.take_output()?;
            self.listen()?;
            self.obey()?;
            self.watch_memory();
            self.log.put_aside_if_due()?;
            for death in self.deaths()? {
                let end = (death, Timestamp::now(), Instant::now());
                ended.get_or_insert(end);
                if self.container.isolation == Isolation::Plain {
                    survivors::kill(self.container.pid);
                }
            }
            let silent = self.container.stdout.is_none() && self.container.stderr.is_none();
            if let Some((code, finished, since)) = ended
                && (silent || since.elapsed() > LAST_WORDS)
            {
                self.listen()?;
                self.log.finish()?;
                return Ok(self.record(code, finished));
            }
        }
    }

    fn record(self, code: i32, finished: Timestamp) -> ExitRecord {
        match (self.start_error, self.started) {
            (None, Some(started)) => {
                let mut record = ExitRecord::ended(code, started, finished);
                record.out_of_memory = self.out_of_memory;
                record
            }
            (Some(why), _) => ExitRecord::not_started(why, finished),
            (None, None) => ExitRecord::not_started(
                format!("its first process ended with code {code} before the command was started"),
                finished,
            ),
        }
    }

    fn wait(&self, ended: bool) -> io::Result<()> {
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
        ];
        let container = &self.container;
        let open = [
            container.stdout.as_ref().map(AsFd::as_fd),
            container.stderr.as_ref().map(AsFd::as_fd),
            container.talk.as_ref().map(AsFd::as_fd),
        ];
        for fd in open.into_iter().flatten() {
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
        let look = (ended || self.memory_bytes.is_some())
            .then(|| Duration::from_millis(u64::from(LOOK_MILLIS)));
        // A whole millisecond more, so that it is due when we wake.
        let log = self.log.due().map(|left| left + Duration::from_millis(1));
        let timeout = match look.into_iter().chain(log).min() {
            Some(wait) => PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take_output(&mut self) -> io::Result<()> {
        let Self { container, log, .. } = self;
        drain(&mut container.stdout, |bytes| {
            log.take(Output::Stdout, bytes)
        })?;
        drain(&mut container.stderr, |bytes| {
            log.take(Output::Stderr, bytes)
        })
    }

    /// What the first process says before it becomes the command.
    fn listen(&mut self) -> io::Result<()> {
        let Some(talk) = &mut self.container.talk else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        let size = match talk.read(&mut buffer) {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error),
        };
        let said = buffer.get(..size).unwrap_or_default();
        if said == identity::ASK {
            identity::grant(self.container.pid)?;
            return talk.write_all(identity::GRANTED);
        }
        if size > 0 {
            let why = String::from_utf8_lossy(said);
            self.start_error.get_or_insert_with(|| why.into_owned());
            return Ok(());
        }
        self.container.talk = None;
        if self.start_error.is_none() && self.started.is_none() {
            let now = Timestamp::now();
            self.started = Some(now);
            let record = StartRecord::new(self.container.pid.as_raw(), now);
            self.dir.store_start(&record)?;
            // Nobody may be reading; the pipe then keeps it, and a full pipe loses nothing that
            // the files do not tell.
            let _ = (&mut &*self.events).write_all(orders::STARTED);
        }
        Ok(())
    }

    fn watch_memory(&mut self) {
        // Until the command takes over, the first process is this program, and larger than many a
        // limit.
        let (Some(most), Some(_)) = (self.memory_bytes, self.started) else {
            return;
        };
        if !self.out_of_memory && memory::resident(self.container.pid) > most {
            self.out_of_memory = true;
            self.signal(Signal::SIGKILL);
        }
    }

    fn obey(&mut self) -> io::Result<()> {
        let mut buffer = [0; 64];
        let size = match self.control.read(&mut buffer) {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        for order in buffer.get(..size).unwrap_or_default() {
            match *order {
                orders::TERM => self.signal(Signal::SIGTERM),
                orders::KILL => self.signal(Signal::SIGKILL),
                orders::ROTATE => self.log.put_aside()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // The process cannot have been replaced by another one: we have not reaped it yet. When it
        // has just died there is nothing left to do.
        let _ = nix::sys::signal::kill(self.container.pid, signal);
        if signal == Signal::SIGKILL && self.container.isolation == Isolation::Plain {
            survivors::kill(self.container.pid);
        }
    }

    /// The exit code of the first process, if it has ended. Reaps whatever else was left to us.
    fn deaths(&mut self) -> io::Result<Vec<i32>> {
        while let Some(signal) = self.signals.read_signal()? {
            let asked_to_go = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
                .into_iter()
                .any(|one| one as u32 == signal.ssi_signo);
            if asked_to_go {
                self.signal(Signal::SIGKILL);
            }
        }
        survivors::reap(self.container.pid).map_err(io::Error::from)
    }
}

/// Reads all that is there; closes the pipe at its end.
fn drain<P: Read>(
    pipe: &mut Option<P>,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = [0; 65536];
    // A bounded number of reads: the other output, and orders, must get their turn.
    for _ in 0..16 {
        let Some(open) = pipe else { return Ok(()) };
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(size) => take(buffer.get(..size).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
