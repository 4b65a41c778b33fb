//! The daemon, as far as it needs no cluster.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sandbox::Sandbox;

/// A daemon that is ended with the test, whatever comes.
struct Daemon {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Daemon {
    fn start(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Self {
        let mut child = sandbox
            .program()
            .arg("serve")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for its end.
    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_when_it_is_ready_and_ends_well_when_asked() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let sandbox = Sandbox::new();
        sandbox.file("config/adjourn/adjourn.toml", "[worker]\nslots = 2\n");
        let mut daemon = Daemon::start(&sandbox, &[("ADJOURN_WORKER_SLOTS", "3")]);
        assert_eq!(
            daemon.line(),
            format!(
                "adjourn serve: ready (pid {}, db {}, 3 slots)",
                daemon.child.id(),
                sandbox.database().display()
            )
        );
        daemon.signal(signal);
        assert_eq!(daemon.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_run_that_waits_for_its_input_can_be_interrupted() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .program()
        .args(["run", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // More than a pipe holds: it must have begun to read when all of it is written.
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'#'; 1 << 20]).unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn it_tells_the_service_manager() {
    let sandbox = Sandbox::new();
    let place = sandbox.path("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    let mut daemon = Daemon::start(&sandbox, &[("NOTIFY_SOCKET", place.to_str().unwrap())]);
    let mut told = [0; 100];
    let mut next = || {
        let length = socket.recv(&mut told).unwrap();
        String::from_utf8(told[..length].to_vec()).unwrap()
    };
    assert_eq!(next(), "READY=1");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(daemon.code(), Some(0));
}

#[test]
fn a_second_one_on_the_same_database_is_refused() {
    let sandbox = Sandbox::new();
    let mut first = Daemon::start(&sandbox, &[]);
    first.line();
    let refusal = format!(
        "error: another adjourn serve (pid {}) works on {} already; stop it first, or give this one another database with --db PATH",
        first.child.id(),
        sandbox.database().display()
    );
    sandbox.adjourn("serve").bad(2, &refusal);
    let mut other = Daemon::start(&sandbox, &[("ADJOURN_DB", "other.db")]);
    assert!(other.line().contains("ready"));
}

#[test]
fn one_that_was_killed_makes_room_at_once() {
    let sandbox = Sandbox::new();
    let mut first = Daemon::start(&sandbox, &[]);
    first.line();
    first.signal(Signal::SIGKILL);
    assert_eq!(first.code(), None);
    let mut second = Daemon::start(&sandbox, &[]);
    assert!(second.line().contains("ready"));
}

#[test]
fn other_commands_work_beside_it() {
    let sandbox = Sandbox::new();
    let mut daemon = Daemon::start(&sandbox, &[]);
    daemon.line();
    sandbox.submit_hello();
    assert_eq!(sandbox.adjourn("list -o name").good(), "1\n");
    let done = sandbox.adjourn("cancel 1");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(
        sandbox.adjourn("sql -o name").code,
        2,
        "a statement is needed"
    );
    let state = sandbox.run(["sql", "-o", "name", "select state from task_list"]);
    assert_eq!(state.good(), "cancelled\n");
}
