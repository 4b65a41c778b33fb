//! SIGHUP: a daemon reads its settings again.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Home, Running, script, with};

/// A daemon with a settings file.
struct Daemon {
    home: Home,
    file: String,
    serve: Running,
}

impl Daemon {
    fn with(home: Home, settings: &str) -> Self {
        let file = home.write("serve.toml", settings);
        let serve = home.start(&["serve", "--config", &file]);
        serve.until_err("readiness", |said| said.contains("adjourn serve: ready"));
        Self { home, file, serve }
    }

    /// Has the daemon read other settings; answers what it says about it, from the first such
    /// line on.
    #[track_caller]
    fn reads(&self, settings: &str, last: &str) -> String {
        let before = self.serve.until_err("anything", |_| true).len();
        std::fs::write(&self.file, settings).unwrap();
        self.serve.signal(Signal::SIGHUP);
        let said = self.serve.until_err(last, |said| {
            said[before..].contains(last) && said.ends_with('\n')
        });
        said[before..].to_owned()
    }
}

fn waiting(home: &Home, name: &str) -> Value {
    with(
        script(&home.dag, name, "echo here; sleep 1000"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    )
}

#[test]
fn limits_and_slots_are_taken_while_tasks_run() {
    let daemon = Daemon::with(Home::new(), "[worker]\nslots = 2\nmax_active_pods = 1\n");
    let home = &daemon.home;
    let live = |name: &str| with(waiting(home, name), json!({"deferrable": false}));
    let first = home.submit(&live("first"));
    home.until_lines(&first, 1);
    let second = home.submit(&live("second"));
    let said = daemon.reads(
        "[worker]\nslots = 1\nmax_active_pods = 2\n",
        "max_active_pods in [worker]",
    );
    assert_eq!(
        said,
        "settings read again: 2 are another\n\
         slots in [worker] is 1 now, it was 2\n\
         max_active_pods in [worker] is 2 now, it was 1\n"
    );
    // The one slot that is left is taken by the first, which goes on.
    assert_eq!(home.describe(&first)["state"], "running");
    assert_eq!(home.describe(&second)["state"], "queued");
    daemon.reads(
        "[worker]\nslots = 2\nmax_active_pods = 2\n",
        "slots in [worker] is 2 now, it was 1",
    );
    home.until_lines(&second, 1);
    home.run(&["cancel", &first, &second]).expect(0);
    home.until_state(&first, "cancelled");
    home.until_state(&second, "cancelled");
}

#[test]
fn what_takes_effect_at_the_next_start_is_told_each_time_and_a_broken_file_changes_nothing() {
    let home = Home::without_cluster();
    let daemon = Daemon::with(
        home,
        "[worker]\nlease_seconds = 30\n[janitor]\nretention_days = 3\n",
    );
    let other = "[worker]\nlease_seconds = 40\n[janitor]\nretention_days = 4\n";
    let said = daemon.reads(other, "[janitor]");
    let lease =
        "lease_seconds in [worker] is still 30: 40 takes effect when serve is started again\n";
    assert!(said.contains(lease), "{said}");
    assert!(
        said.contains("retention_days in [janitor] is 4 now, it was 3\n"),
        "{said}"
    );

    let said = daemon.reads(
        "[worker]\nlease_seconds = 30\n[janitor]\nretention_day = 5\n",
        "did you mean",
    );
    assert!(
        said.starts_with("the settings could not be read again, so nothing changes:\nerror: "),
        "{said}"
    );
    assert!(
        said.contains("serve.toml") && said.contains("retention_days"),
        "{said}"
    );
    let level = "[log]\nlevel = \"adjourn=loud\"\n";
    let said = daemon.reads(level, "level in [log]");
    assert!(said.contains("nothing changes"), "{said}");

    // As it was after the last good file: nothing of the broken ones is left.
    let said = daemon.reads(other, "lease_seconds in [worker]");
    assert_eq!(said, format!("settings read again: 0 are another\n{lease}"));
    let said = daemon.reads(
        "[worker]\nlease_seconds = 30\n[janitor]\nretention_days = 4\n",
        "nothing is another",
    );
    assert_eq!(said, "settings read again: nothing is another\n");
    daemon.serve.signal(Signal::SIGTERM);
    daemon.serve.finish().expect(0);
}

#[test]
fn the_log_tells_more_or_less_from_then_on() {
    let quiet = "[log]\nlevel = \"warn\"\n";
    let daemon = Daemon::with(Home::new(), quiet);
    let home = &daemon.home;
    let run = |name: &str| {
        let id = home.submit(&script(&home.dag, name, "echo hello"));
        home.run(&["wait", &id]).expect(0);
    };
    run("quiet");
    let loud = "[log]\nlevel = \"adjourn=debug\"\n";
    let said = daemon.reads(loud, "level in [log] is");
    let all = daemon.serve.until_err("anything", |_| true);
    assert!(!all.contains("trigger fired"), "{all}");
    assert!(said.contains("it was \"warn\""), "{said}");
    run("loud");
    daemon
        .serve
        .until_err("what it does now", |said| said.contains("trigger fired"));
}

#[test]
fn a_new_connection_is_there_without_a_start() {
    let daemon = Daemon::with(Home::new(), "");
    let home = &daemon.home;
    let kubeconfig = home.cluster().kubeconfig().display().to_string();
    let more = format!("[connections.other]\nkube_config_path = {kubeconfig:?}\n");
    daemon.reads(&more, "[connections.other] is another now");
    let task = with(
        script(&home.dag, "elsewhere", "echo hello"),
        json!({"kubernetes_conn_id": "other"}),
    );
    let submit = ["submit", &home.task(&task), "--config", &daemon.file];
    let id = home.run(&submit).expect(0).text().trim().to_owned();
    home.run(&["wait", &id]).expect(0);
}

#[test]
fn requests_are_held_to_new_bounds() {
    let home = Home::without_cluster().set("ADJOURN_HTTP_LISTEN", "127.0.0.1:0");
    let settings = |bytes: u32| format!("[http]\nmax_body_bytes = {bytes}\n");
    let daemon = Daemon::with(home, &settings(1024));
    let ready = daemon
        .serve
        .until_err("its URL", |said| said.contains("http://"));
    let url = ready.split("http://").nth(1).unwrap();
    let url = url
        .split([')', '\n', ','])
        .next()
        .unwrap()
        .trim()
        .to_owned();
    let large = format!("task_id: a\nimage: busybox\n# {}\n", "x".repeat(2000));
    let code = || {
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args([
                "-H",
                "content-type: application/yaml",
                "--data-binary",
                &large,
            ])
            .arg(format!("http://{url}/api/v1/tasks"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(code(), "413");
    daemon.reads(&settings(4096), "max_body_bytes in [http] is 4096 now");
    assert!(code().starts_with('2'), "{}", code());
    daemon.reads(&settings(1024), "max_body_bytes in [http] is 1024 now");
    assert_eq!(code(), "413");
}
