//! A throw-away PostgreSQL: a server of this process's own, with its data in a directory of its own.
//!
//! It is the real thing, durable as a default installation is: only what goes before the first
//! transaction is done in haste. It refuses to run as root and is given to another user then.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, geteuid};
use rand::RngExt;
use tempfile::TempDir;

use super::eventually;

/// The superuser of each server.
const ROLE: &str = "adjourn";

/// Below the ports that the kernel hands out: while a server is down, no client's own end takes
/// its port, not even that of one who asks for the server.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// The server that runs for whoever asked for it and still holds it; the last to let go stops it.
pub fn postgres() -> Arc<Postgres> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(Postgres::start());
    *shared = Arc::downgrade(&started);
    started
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are closed, what was committed is written down.
    Fast,
    /// As in a crash: the next start recovers from the write-ahead log.
    Immediate,
}

pub struct Postgres {
    binaries: PathBuf,
    /// Who runs the server when the tests run as root.
    user: Option<(Uid, Gid)>,
    port: u16,
    // Before the directory, so that it has ended when its data goes.
    server: Mutex<Option<Server>>,
    dir: TempDir,
}

/// The process.
struct Server {
    child: Child,
    /// Held by the thread that started it, for as long as this is here: when the starting thread
    /// ends, the kernel takes its process for an orphan and ends it.
    _thread: Sender<()>,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let (over, until_over) = channel::<()>();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            tell.send(command.spawn()).unwrap();
            // An error says that the server was let go of.
            let _ = until_over.recv();
        });
        Self {
            child: told.recv().unwrap().unwrap(),
            _thread: over,
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn stop(mut self, how: Stop) {
        let signal = match how {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
        };
        if !self.has_ended() {
            kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
            eventually("the end of PostgreSQL", || self.has_ended().then_some(()));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            eprintln!("PostgreSQL's log:\n{log}");
        }
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = { server }.take() {
            server.stop(Stop::Immediate);
        }
    }
}

impl Postgres {
    /// A server of its own, beside whichever the other tests share.
    pub fn start() -> Self {
        // Not in TMPDIR, where another user may not look.
        let dir = tempfile::Builder::new()
            .prefix("adjourn-postgres-")
            .tempdir_in("/tmp")
            .unwrap();
        let user = geteuid().is_root().then(another_user);
        if let Some((user, group)) = user {
            chown(dir.path(), Some(user.as_raw()), Some(group.as_raw())).unwrap();
        }
        let mut server = Self {
            binaries: binaries(),
            user,
            port: 0,
            server: Mutex::default(),
            dir,
        };
        server.initialise();
        // Another process may take a port between our look and PostgreSQL's own.
        eventually("a port for PostgreSQL", || {
            server.port = free_port();
            server.runs().then_some(())
        });
        server
    }

    /// A new, empty database; answers its URL.
    #[track_caller]
    pub fn database(&self, name: &str) -> String {
        finish(self.client("createdb").arg(name));
        self.url(name)
    }

    /// Where a database is.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The rows of a statement's answer, asked of PostgreSQL's own client: a line each, columns
    /// with a tab between.
    #[track_caller]
    pub fn rows(&self, database: &str, statement: &str) -> Vec<String> {
        let mut psql = self.client("psql");
        psql.args(["-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1"])
            .args(["-d", database, "-c", statement]);
        finish(&mut psql).lines().map(str::to_owned).collect()
    }

    pub fn stop(&self, how: Stop) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.stop(how);
        }
    }

    /// Starts it again, at the same place and with the same data.
    pub fn start_again(&self) {
        let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
        assert!(self.runs(), "PostgreSQL did not start:\n{}", log());
    }

    pub fn restart(&self, how: Stop) {
        self.stop(how);
        self.start_again();
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn initialise(&self) {
        let mut initdb = self.program("initdb", &[]);
        initdb.arg("-D").arg(self.data());
        initdb.args(["--auth=trust", "--no-sync", "--no-instructions"]);
        initdb.args(["-E", "UTF8", "--locale=C", "-U", ROLE]);
        finish(&mut initdb);
    }

    /// Starts the server; whether it came to take connections.
    fn runs(&self) -> bool {
        // It goes when this process does, however that ends.
        let mut command = self.program("postgres", &["--pdeathsig", "QUIT"]);
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.unwrap();
        command
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("port={}", self.port)])
            .args(["-c", "max_connections=300"])
            .arg("-c")
            .arg(format!(
                "unix_socket_directories={}",
                self.dir.path().display()
            ))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut server = Server::start(command);
        let ready = eventually("PostgreSQL to take connections", || {
            if server.has_ended() {
                return Some(false);
            }
            // It is asked on its own socket: at the port there may be somebody else's.
            let mut asked = Command::new(self.binaries.join("pg_isready"));
            asked.args(["-q", "-h"]).arg(self.dir.path());
            asked.args(["-p", &self.port.to_string()]);
            asked.status().unwrap().success().then_some(true)
        });
        if ready {
            *self.server.lock().unwrap() = Some(server);
        }
        ready
    }

    /// A program of PostgreSQL's, as the user who runs the server.
    fn program(&self, name: &str, privileges: &[&str]) -> Command {
        // Changing the user in the child needs code that is not safe; util-linux has it ready.
        let mut command = Command::new("setpriv");
        command.args(privileges);
        if let Some((user, group)) = self.user {
            command.args([format!("--reuid={user}"), format!("--regid={group}")]);
            command.arg("--clear-groups");
        }
        command
            .arg(self.binaries.join(name))
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C");
        command
    }

    /// A program of PostgreSQL's that asks the server.
    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.args(["-h", "127.0.0.1", "-U", ROLE, "-p"]);
        command.arg(self.port.to_string());
        command
    }
}

/// Runs a command to its end, which must be a good one; answers what it said.
#[track_caller]
fn finish(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Where PostgreSQL's programs are: in the path, or where Debian keeps them.
fn binaries() -> PathBuf {
    const NEEDED: [&str; 5] = ["initdb", "postgres", "pg_isready", "createdb", "psql"];
    let has_all = |dir: &PathBuf| NEEDED.iter().all(|name| dir.join(name).exists());
    // A link in the path leads to where the others are.
    let beside = |dir: PathBuf| {
        let initdb = std::fs::canonicalize(dir.join("initdb")).ok()?;
        Some(initdb.parent()?.to_owned())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(dir) = std::env::split_paths(&path)
        .filter_map(beside)
        .find(has_all)
    {
        return dir;
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let found = versions.filter_map(|version| {
        let path = version.unwrap().path();
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        Some((number, path.join("bin")))
    });
    let newest = found.filter(|(_, dir)| has_all(dir)).max();
    newest.expect("PostgreSQL's initdb and postgres").1
}

/// Who runs the server in place of root.
fn another_user() -> (Uid, Gid) {
    let known = |name| User::from_name(name).unwrap();
    let user = known("postgres").or_else(|| known("nobody")).unwrap();
    (user.uid, user.gid)
}

fn free_port() -> u16 {
    eventually("a free port", || {
        let port = rand::rng().random_range(PORTS);
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}
