//! Every command says the same with `--server` as with `--db`.

use adjourn::clock::Clock;
use adjourn::store::{Scope, Store, StoredCursor};
use adjourn::task::log::{LineKind, LogCursor, LogLine};

use crate::daemon::Daemon;
use crate::support::Home;

/// The moment of the first line: 2026-11-24T08:00:00Z.
const FIRST: i64 = 1_795_507_200_000_000_000;

/// A home with tasks of which nothing changes any more, the first with a log and a result.
fn home() -> Home {
    let home = Home::without_cluster();
    let submit = |yaml: &str| {
        let file = home.write("task.yaml", yaml);
        home.run(&["submit", &file]).expect(0);
    };
    submit("task_id: logs\nrun_id: r\nimage: busybox\ncontainer_logs: [base, side]\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(store_log(&home));
    submit(
        "task_id: formatted\nrun_id: r\nimage: busybox\nlog_formatter: '{{ container }}: {{ message }}'\n",
    );
    submit("task_id: a\ndag_id: other\nrun_id: r\nmap_index: 3\nimage: busybox\n");
    home.run(&["cancel", "2", "3"]).expect(0);
    home.change("UPDATE tasks SET state = 'failed', claim_rank = NULL, entry = NULL, owner = NULL, lease_until = NULL, finished_at = submitted_at + 1500, failure_kind = 'failed', exit_code = 3, reason = 'it said no' WHERE id = 1");
    home.change("INSERT INTO xcom VALUES (1, 'return_value', '{\"z\": 0.30000000000000004, \"a\": [1e300, 18446744073709551615, \"ü\"]}'), (1, 'words', '\"two\\nlines\"')");
    home
}

async fn store_log(home: &Home) {
    let now = Clock::system().now();
    let store = Store::open(&home.database(), now).await.unwrap();
    let lease = now + chrono::Duration::seconds(60);
    let claimed = store
        .claim("test", &Scope::All, 1, lease, now)
        .await
        .unwrap();
    let row = &claimed[0].row;
    let line = |kind, container: &str, at: i64, text: &[u8]| LogLine {
        container: container.into(),
        stamp_ns: FIRST + at * 1_000_000_001,
        text: text.to_vec().into(),
        kind,
    };
    let mut lines = vec![
        line(LineKind::Event, "", 0, b"an event"),
        line(
            LineKind::Output,
            "base",
            1,
            b"\x1b[1mbold\x1b[0m \xff\xfe\ttab",
        ),
        line(LineKind::Gap, "base", 2, b"lines are missing here"),
        line(LineKind::Output, "side", 3, b""),
        line(LineKind::Output, "base", 4, b"[WARNING] last"),
    ];
    lines.extend(
        (0..2500).map(|n| line(LineKind::Output, "base", 5 + n, format!("{n}").as_bytes())),
    );
    let cursor = StoredCursor {
        pod_uid: "uid".into(),
        container: "base".into(),
        cursor: LogCursor::default(),
    };
    store
        .append_log(row.id, row.fence, lines, cursor, now)
        .await
        .unwrap();
}

#[test]
fn every_command_says_the_same() {
    let daemon = Daemon::of(home());
    let file = daemon.home.write(
        "again.yaml",
        "task_id: a\ndag_id: other\nrun_id: r\nmap_index: 3\nimage: busybox\n",
    );
    let other = daemon.home.write(
        "other.yaml",
        "task_id: a\ndag_id: other\nrun_id: r\nmap_index: 3\nimage: alpine\n",
    );
    let blank = daemon.home.write("blank.yaml", "task_id: blank\n");
    let wrong = daemon
        .home
        .write("wrong.yaml", "task_id: a\nimgae: busybox\n");
    let submits = [&file, &other, &blank, &wrong].map(|file| format!("submit {file}"));
    let mut commands: Vec<String> = [
        "list -o name",
        "list -o json",
        "list -o jsonl",
        "list -o yaml",
        "list --dag other -o json",
        "list --state failed,skipped -o name",
        "list --limit 2 -o name",
        "list --limit 0 -o name",
        "list 1 3 -o name",
        "list 1 default/nothing/r",
        "list --state success",
        "describe 1 -o json",
        "describe 1 2 -o yaml",
        "describe other/a/r/3 -o jsonl",
        "describe 9",
        "xcom 1",
        "xcom 1 -o json",
        "xcom 1 -o name",
        "xcom default/logs/r return_value",
        "xcom 1 return_value -o yaml",
        "xcom 1 words",
        "xcom 1 none",
        "xcom 2",
        "xcom 2 none",
        "xcom 9",
        "logs 1",
        "logs -f 1",
        "logs 1 --tail 1500",
        "logs 1 --tail 3 -c side --prefix",
        "logs 1 --tail 0",
        "logs 1 --timestamps --since-time 2026-11-24T08:00:04Z",
        "logs 1 --since-time 8313-10-16T06:43:53Z",
        "logs 1 --since-time 1066-10-14T09:00:00Z --tail 1",
        "logs 1 -o jsonl",
        "logs 1 -o json",
        "logs 2",
        "logs 9",
        "wait 1",
        "wait 1 2 3 -o json",
        "wait 9 --timeout 1",
        "cancel 2",
        "cancel 2 3 -o name",
        "cancel 1",
        "cancel 2 --no-wait -o json",
        "retry 9",
        "submit nowhere.yaml",
    ]
    .map(str::to_owned)
    .to_vec();
    commands.extend(submits);
    for command in commands {
        let with = |flags: &[&str]| {
            let words: Vec<&str> = command.split(' ').chain(flags.iter().copied()).collect();
            let done = daemon.home.run(&words);
            (
                done.code,
                String::from_utf8_lossy(&done.stdout).into_owned(),
                done.stderr,
            )
        };
        let database = daemon.home.database();
        let here = with(&["--db", database.to_str().unwrap()]);
        let there = with(&["--server", &daemon.url()]);
        assert_eq!(here, there, "adjourn {command}");
    }
}

/// A moment that no number of nanoseconds reaches is one all the same.
#[test]
fn a_log_from_a_far_moment_on() {
    let daemon = Daemon::of(home());
    let lines = |since: &str| {
        let path = format!("/api/v1/tasks/1/log?limit=10&since={since}");
        let page = daemon.get(&path).send().expect(200).json();
        page["lines"].as_array().unwrap().len()
    };
    assert_eq!(lines("8313-10-16T06:43:53Z"), 0);
    assert_eq!(lines("1066-10-14T09:00:00Z"), 10);
}

#[test]
fn what_is_done_to_a_database_itself_is_refused() {
    let home = Home::without_cluster();
    for words in [
        vec!["serve"],
        vec!["run", "--task", "1"],
        vec!["sql", "select 1"],
        vec!["prune"],
        vec!["doctor"],
        vec!["token", "list"],
    ] {
        let flags = ["--server", "http://127.0.0.1:1"];
        let refused = home.run(&[words.as_slice(), &flags].concat()).expect(2);
        assert!(
            refused.stderr.starts_with(&format!(
                "error: adjourn {} works on a database itself",
                words[0]
            )),
            "{}",
            refused.stderr
        );
        assert_eq!(refused.stderr.lines().count(), 1);
    }
}

#[test]
fn a_daemon_that_is_not_there_is_told() {
    let home = Home::without_cluster().set("ADJOURN_SERVER", "http://127.0.0.1:1");
    let done = home.run(&["list"]).expect(4);
    assert!(
        done.stderr
            .starts_with("error: cannot reach the daemon http://127.0.0.1:1: "),
        "{}",
        done.stderr
    );
    let done = home.run(&["list", "--server", "127.0.0.1:1"]).expect(2);
    assert!(done.stderr.contains("must be a URL"), "{}", done.stderr);
    // A database that is named goes before the variable.
    home.run(&["list", "--db", "none.db"]).expect(3);
}
