//! What the processes inherit that this program starts: nothing of its own environment, and a
//! container only what its task gives it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::support::{Home, eventually, script, with};

/// A process as its machine shows it to whoever may look.
struct Process {
    pid: u32,
    parent: u32,
    words: String,
    environment: String,
}

fn read(directory: &Path) -> Option<Process> {
    let text = |name: &str| {
        let bytes = std::fs::read(directory.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let stat = text("stat")?;
    let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
    Some(Process {
        pid: directory.file_name()?.to_str()?.parse().ok()?,
        parent: parent.parse().ok()?,
        words: text("cmdline")?,
        environment: text("environ")?,
    })
}

/// The processes that name `place` on their command line, and all that came of them.
fn family(place: &str) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let all = entries.filter_map(|entry| read(&entry.ok()?.path()));
    let mut all: BTreeMap<u32, Process> = all.map(|process| (process.pid, process)).collect();
    let mut found: Vec<Process> = Vec::new();
    loop {
        let of_them = |process: &Process| {
            process.words.contains(place) || found.iter().any(|known| known.pid == process.parent)
        };
        let next: Vec<u32> = all
            .values()
            .filter(|one| of_them(one))
            .map(|one| one.pid)
            .collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next.iter().filter_map(|pid| all.remove(pid)));
    }
}

#[test]
fn what_is_started_inherits_no_secret() {
    let home = Home::without_cluster()
        .set("PASSWORD", "canary-of-ours")
        .set("ADJOURN_TOKEN", "canary-of-the-api");
    let task = with(
        script(&home.dag, "waits", "sleep 987654"),
        json!({"env_vars": {"GIVEN": "canary-of-the-task"}}),
    );
    let file = home.task(&task);
    let run = home.start(&["run", "--local", &file]);
    let place = home.state().to_str().unwrap().to_owned();
    let family = eventually("the container's process", || {
        let family = family(&place);
        let sleeps = |one: &Process| one.words.contains("sleep\0987654");
        family.iter().any(sleeps).then_some(family)
    });
    let mut given = 0;
    let mut others = 0;
    for process in family.iter().filter(|one| one.pid != run.pid()) {
        let shown = process.words.replace('\0', " ");
        for ours in ["canary-of-ours", "canary-of-the-api"] {
            assert!(!process.words.contains(ours), "{shown}");
            assert!(
                !process.environment.contains(ours),
                "{ours} is inherited by {shown}"
            );
        }
        assert!(!process.words.contains("canary-of-the-task"), "{shown}");
        let has_it = process.environment.contains("canary-of-the-task");
        if has_it {
            assert!(
                shown.contains("987654"),
                "only the container has it, not {shown}"
            );
            given += 1;
        } else {
            others += 1;
        }
    }
    run.kill();
    home.run(&["cluster", "stop"]).expect(0);
    assert!(given > 0, "the container has what it was given");
    assert!(
        others >= 2,
        "the cluster and its shim were looked at: {others}"
    );
}
