//! A process of the program, heard while it runs.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, eventually};

/// A running process. Dropping it kills it, so that a failed test leaves nothing behind.
pub struct Running {
    command: String,
    child: Child,
    out: Ear,
    err: Ear,
}

/// How a process ended and all that it said.
#[derive(Debug)]
pub struct Finished {
    pub command: String,
    /// None: killed by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

struct Ear {
    heard: Arc<(Mutex<Heard>, Condvar)>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

impl Ear {
    fn on(mut source: impl Read + Send + 'static) -> Self {
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let shared = heard.clone();
        let listener = std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            loop {
                let count = source.read(&mut buffer).unwrap_or(0);
                let mut heard = shared.0.lock().unwrap();
                heard.bytes.extend_from_slice(&buffer[..count]);
                heard.ended = count == 0;
                shared.1.notify_all();
                if heard.ended {
                    return;
                }
            }
        });
        Self {
            heard,
            listener: Some(listener),
        }
    }

    /// Waits until what was heard so far is what `is_it` wants; fails when no more can come.
    fn until(&self, is_it: &dyn Fn(&str) -> bool) -> Result<String, String> {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.heard.0.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&heard.bytes).into_owned();
            if is_it(&text) {
                return Ok(text);
            }
            let left = until.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                return Err(text);
            }
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }

    fn all(&mut self) -> Vec<u8> {
        if let Some(listener) = self.listener.take() {
            listener.join().unwrap();
        }
        std::mem::take(&mut self.heard.0.lock().unwrap().bytes)
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().unwrap().bytes).into_owned()
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let mut child = command.spawn().unwrap();
        Self {
            command: words.join(" "),
            out: Ear::on(child.stdout.take().unwrap()),
            err: Ear::on(child.stderr.take().unwrap()),
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stdout so far is what `is_it` wants.
    pub fn until_out(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.out
            .until(&is_it)
            .unwrap_or_else(|text| self.in_vain(what, &text))
    }

    /// Waits until stderr so far is what `is_it` wants.
    pub fn until_err(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.err
            .until(&is_it)
            .unwrap_or_else(|text| self.in_vain(what, &text))
    }

    fn in_vain(&self, what: &str, text: &str) -> ! {
        panic!(
            "`adjourn {}`: in vain waited for {what} in:\n{text}\nstdout:\n{}\nstderr:\n{}",
            self.command,
            self.out.so_far(),
            self.err.so_far()
        )
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`, and sees it dead.
    pub fn kill(mut self) {
        assert!(
            self.is_running(),
            "`adjourn {}` ended before it was killed; stderr:\n{}",
            self.command,
            self.err.so_far()
        );
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        let command = self.command.clone();
        let status = eventually(&format!("the end of `adjourn {command}`"), || {
            self.child.try_wait().unwrap()
        });
        let finished = Finished {
            command,
            code: status.code(),
            stdout: self.out.all(),
            stderr: String::from_utf8_lossy(&self.err.all()).into_owned(),
        };
        assert!(
            !finished.stderr.contains("panicked at"),
            "a panic: {finished:?}"
        );
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "`adjourn {}` said on stderr:\n{}",
                self.command,
                self.err.so_far()
            );
        }
    }
}

impl Finished {
    /// Insists on an exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code of `adjourn {}`; stdout:\n{}\nstderr:\n{}",
            self.command,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}
