//! What a person sees at a terminal, and what is printed where there is none.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::support::{Home, eventually, script, with};

/// A terminal: its end for whoever looks at it, and its end for programs.
fn terminal() -> (File, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_bytes();
    let name = std::ffi::OsString::from_vec(name);
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    (File::from(master), terminal)
}

/// A program at a terminal of its own, and all that it drew there.
struct AtTerminal {
    child: Child,
    drawn: Arc<Mutex<String>>,
}

impl AtTerminal {
    fn start(mut command: Command) -> Self {
        let (master, terminal) = terminal();
        let child = command
            .env("TERM", "xterm")
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(Stdio::from(terminal))
            .spawn()
            .unwrap();
        // The command holds the terminal open, too.
        drop(command);
        let drawn = Arc::new(Mutex::new(String::new()));
        let shared = drawn.clone();
        std::thread::spawn(move || {
            let (mut master, mut buffer) = (master, [0; 4096]);
            // It ends with an error when nobody has the terminal open any more.
            while let Ok(length @ 1..) = master.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                shared.lock().unwrap().push_str(&text);
            }
        });
        Self { child, drawn }
    }

    fn drawn(&self) -> String {
        self.drawn.lock().unwrap().clone()
    }

    fn until(&self, words: &str) {
        eventually(&format!("{words:?} at the terminal"), || {
            self.drawn().contains(words).then_some(())
        });
    }

    /// Waits for words, however wide the blanks between them are drawn.
    fn until_words(&self, words: &str) {
        eventually(&format!("{words:?} at the terminal"), || {
            let drawn = self.drawn();
            let drawn: Vec<&str> = drawn.split_whitespace().collect();
            drawn.join(" ").contains(words).then_some(())
        });
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGINT).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let status = eventually("the end", || self.child.try_wait().unwrap());
        status.code()
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counting(home: &Home, name: &str) -> Value {
    with(
        script(
            &home.dag,
            name,
            "for i in 1 2 3; do echo line $i; sleep 1; done",
        ),
        json!({"logging_interval": 1, "poll_interval": 1}),
    )
}

#[test]
fn a_line_at_the_terminal_tells_what_run_waits_for() {
    let home = Home::new();
    let file = home.task(&counting(&home, "one"));
    let mut run = AtTerminal::start(home.command(&["run", &file]));
    run.until("task 1 deferred, pod Running, ");
    run.until("resumes");
    assert_eq!(run.end(), Some(0), "{}", run.drawn());
    run.until("task 1 succeeded");
    let drawn = run.drawn();
    for line in ["line 1\r\n", "line 2\r\n", "line 3\r\n"] {
        assert_eq!(drawn.matches(line).count(), 1, "{drawn:?}");
    }
}

#[test]
fn a_bar_at_the_terminal_tells_how_many_tasks_of_a_run_have_ended() {
    let home = Home::new();
    let file = home.task(&json!([counting(&home, "a"), counting(&home, "b")]));
    let mut run = AtTerminal::start(home.command(&["run", &file]));
    run.until("0/2");
    run.until("a deferred, pod Running, ");
    run.until("b deferred, pod Running, ");
    assert_eq!(run.end(), Some(0), "{}", run.drawn());
    run.until("task 2 succeeded");
    let drawn = run.drawn();
    for name in ["a", "b"] {
        for number in 1..=3 {
            let line = format!("[{name}/base] line {number}\r\n");
            assert_eq!(drawn.matches(&line).count(), 1, "{line} in {drawn:?}");
        }
    }
}

#[test]
fn many_tasks_share_a_few_bars_and_are_all_counted() {
    let home = Home::new().set("ADJOURN_WORKER_SLOTS", "3");
    let tasks: Vec<Value> = (0..11)
        .map(|number| script(&home.dag, &format!("t{number}"), "sleep 1"))
        .collect();
    let mut run = AtTerminal::start(home.command(&["run", &home.task(&json!(tasks))]));
    run.until("0/11");
    assert_eq!(run.end(), Some(0), "{}", run.drawn());
    let drawn = run.drawn();
    for number in 0..11 {
        let task = number + 1;
        assert!(
            drawn.contains(&format!("task {task} succeeded")),
            "{drawn:?}"
        );
    }
    // What is drawn at once is between two moves of the cursor upwards.
    let mut most = 0;
    let mut bars = 0;
    for part in drawn.split("\x1b[") {
        let (move_, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
        if !move_.is_empty() && rest.starts_with('A') {
            bars = 0;
        }
        bars += part.matches(" resumes").count();
        most = most.max(bars);
    }
    assert!((1..=8).contains(&most), "{most} bars in {drawn:?}");
}

#[test]
fn where_no_terminal_is_nothing_is_drawn() {
    let home = Home::new();
    let done = home.run(&["run", &home.task(&counting(&home, "plain"))]);
    let done = done.expect(0);
    assert!(!done.stderr.contains('\x1b'), "{done:?}");
    assert!(!done.stderr.contains("resumes"), "{done:?}");
}

#[test]
fn a_task_that_changes_is_printed_again() {
    let home = Home::new();
    home.run(&["submit", &home.task(&script(&home.dag, "seen", "exit 0"))]);
    let table = home.start(&["get", "-w"]);
    let lines = home.start(&["get", "-w", "-o", "jsonl"]);
    table.until_out("the first row", |said| said.contains("queued"));
    lines.until_out("the first row", |said| said.contains("\"queued\""));
    let _serve = home.serve();
    let said = table.until_out("its end", |said| said.contains("success"));
    assert_eq!(said.matches("STATE").count(), 1, "{said}");
    let said = lines.until_out("its end", |said| said.contains("\"success\""));
    for line in said.lines() {
        let task: Value = serde_json::from_str(line).unwrap();
        assert_eq!(task["id"], 1);
    }
    for watch in [table, lines] {
        watch.signal(Signal::SIGINT);
        watch.finish().expect(130);
    }
}

#[test]
fn top_counts_what_there_is() {
    let home = Home::new();
    home.submit(&script(&home.dag, "counted", "exit 0"));
    let once = home.run(&["top", "--once"]).expect(0);
    assert!(once.text().contains("no engine works"), "{once:?}");
    let mut top = AtTerminal::start(home.command(&["top"]));
    top.until("queued");
    let _serve = home.serve();
    home.run(&["wait", "1"]).expect(0);
    top.until_words("success 1");
    top.until("serve");
    top.interrupt();
    assert_eq!(top.end(), Some(0));
}

#[test]
fn a_log_is_followed_from_before_the_pod_through_a_daemons_death_to_the_verdict() {
    let home = Home::new();
    let id = home.submit(&counting(&home, "followed"));
    let follow = home.start(&["logs", "-f", &id]);
    let serve = home.serve();
    follow.until_out("the first line", |said| said.contains("line 1\n"));
    serve.kill();
    let _serve = home.serve();
    let done = follow.finish().expect(0);
    assert_eq!(done.text(), "line 1\nline 2\nline 3\n");
    assert!(done.stderr.contains("task 1 succeeded"), "{done:?}");
}

#[test]
fn a_daemon_whose_terminal_is_closed_ends_in_good_order() {
    let home = Home::without_cluster();
    let (mut master, terminal) = terminal();
    let mut command = home.command(&["serve"]);
    command.stderr(Stdio::from(terminal));
    let mut serve = command.spawn().unwrap();
    drop(command);
    let (mut said, mut buffer) = (String::new(), [0; 4096]);
    while !said.contains("adjourn serve: ready") {
        let length = master.read(&mut buffer).unwrap();
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    drop(master);
    kill(
        Pid::from_raw(serve.id().try_into().unwrap()),
        Signal::SIGHUP,
    )
    .unwrap();
    let status = eventually("its end", || serve.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(home.sql("SELECT owner FROM engines").is_empty());
}

#[test]
fn every_command_has_its_manual_page() {
    let home = Home::without_cluster();
    home.run(&["man", "man1"]).expect(0);
    let help = home.run(&["--help"]).expect(0);
    let commands = help.text().split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let names: Vec<&str> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let page = home.path().join(format!("man1/adjourn-{name}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
    }
}
