//! `logs`: lines that are in the store already.

use adjourn::clock::Clock;
use adjourn::store::{Scope, Store, StoredCursor};
use adjourn::task::log::{LineKind, LogCursor, LogLine};

use crate::sandbox::Sandbox;

/// The moment of the first line: 2026-11-24T08:00:00Z.
const FIRST: i64 = 1_795_507_200_000_000_000;

/// Stores a log of task 1: what each line is, its container and its bytes, a second apart.
fn log(sandbox: &Sandbox, lines: &[(LineKind, &str, &[u8])]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = lines
        .iter()
        .zip(0..)
        .map(|((kind, container, text), at)| LogLine {
            container: (*container).into(),
            stamp_ns: FIRST + at * 1_000_000_000,
            text: text.to_vec().into(),
            kind: *kind,
        });
    let lines: Vec<LogLine> = lines.collect();
    runtime.block_on(async {
        let now = Clock::system().now();
        let store = Store::open(&sandbox.database(), now).await.unwrap();
        let lease = now + chrono::Duration::seconds(60);
        let claimed = store
            .claim("test", &Scope::All, 1, lease, now)
            .await
            .unwrap();
        let cursor = StoredCursor {
            pod_uid: "uid".into(),
            container: "base".into(),
            cursor: LogCursor::default(),
        };
        let row = &claimed[0].row;
        store
            .append_log(row.id, row.fence, lines, cursor, now)
            .await
            .unwrap();
    });
}

fn output<'a>(container: &'a str, text: &'a str) -> (LineKind, &'a str, &'a [u8]) {
    (LineKind::Output, container, text.as_bytes())
}

#[test]
fn lines_are_printed_as_they_were_written_and_remarks_go_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    log(
        &sandbox,
        &[
            (LineKind::Event, "", b"an event"),
            (
                LineKind::Output,
                "base",
                b"\x1b[1mbold\x1b[0m \xff\xfe\ttab",
            ),
            (LineKind::Gap, "base", b"lines are missing here"),
            output("base", ""),
            output("base", "last"),
        ],
    );
    let done = sandbox.program().args(["logs", "1"]).output().unwrap();
    assert_eq!(done.stdout, b"\x1b[1mbold\x1b[0m \xff\xfe\ttab\n\nlast\n");
    assert_eq!(done.stderr, b"an event\nlines are missing here\n");
}

#[test]
fn the_container_and_the_moment_come_before_the_line_when_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    log(&sandbox, &[output("base", "one"), output("side", "two")]);
    for (words, printed) in [
        ("", "one\ntwo\n"),
        ("--prefix", "[base] one\n[side] two\n"),
        (
            "--timestamps",
            "2026-11-24T08:00:00.000000000Z one\n2026-11-24T08:00:01.000000000Z two\n",
        ),
        ("-c side", "two\n"),
        ("-c side --prefix", "[side] two\n"),
        ("-c none", ""),
    ] {
        let done = sandbox.adjourn(&format!("logs 1 {words}"));
        assert_eq!(done.good(), printed, "{words}");
    }
}

#[test]
fn a_task_that_shows_several_containers_names_them() {
    let sandbox = Sandbox::new();
    let task = "task_id: a\nimage: busybox\ncontainer_logs: [base, side]\n";
    sandbox.with_input("submit -", task).good();
    log(&sandbox, &[output("base", "one"), output("side", "two")]);
    assert_eq!(sandbox.adjourn("logs 1").good(), "[base] one\n[side] two\n");
    assert_eq!(sandbox.adjourn("logs 1 -c side").good(), "two\n");
}

#[test]
fn a_task_can_say_how_its_lines_are_shown() {
    for (parameter, printed) in [
        ("container_name_log_prefix_enabled: true", "[base] one\n"),
        ("container_name_log_prefix_enabled: false", "one\n"),
        (
            "log_formatter: '{{ container }} says {{ message }}'",
            "base says one\n",
        ),
    ] {
        let sandbox = Sandbox::new();
        let task = format!("task_id: a\nimage: busybox\n{parameter}\n");
        sandbox.with_input("submit -", &task).good();
        log(&sandbox, &[output("base", "one")]);
        assert_eq!(sandbox.adjourn("logs 1").good(), printed);
    }
}

#[test]
fn the_end_of_a_log_is_counted_in_lines_of_containers() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    log(
        &sandbox,
        &[
            output("base", "one"),
            output("side", "two"),
            output("base", "three"),
            (LineKind::Event, "", b"an event"),
            (LineKind::Event, "", b"another event"),
        ],
    );
    for (words, printed) in [
        ("--tail 1", "three\n"),
        ("--tail 2", "two\nthree\n"),
        ("--tail 2 -c base", "one\nthree\n"),
        ("--tail 9", "one\ntwo\nthree\n"),
        ("--tail 0", ""),
        ("--since-time 2026-11-24T08:00:01Z", "two\nthree\n"),
        ("--since-time 2026-11-24T09:00:01+01:00 --tail 1", "three\n"),
        // Moments that no number of nanoseconds reaches.
        ("--since-time 8313-10-16T06:43:53Z", ""),
        ("--since-time 1066-10-14T09:00:00Z --tail 1", "three\n"),
    ] {
        let done = sandbox.adjourn(&format!("logs 1 {words}"));
        assert_eq!(done.good(), printed, "{words}");
    }
}

#[test]
fn a_long_log_is_printed_whole() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    let text: Vec<String> = (0..2500).map(|number| format!("line {number}")).collect();
    let lines: Vec<_> = text
        .iter()
        .map(|line| (LineKind::Output, "base", line.as_bytes()))
        .collect();
    log(&sandbox, &lines);
    assert_eq!(sandbox.adjourn("logs 1").good(), text.join("\n") + "\n");
    let end = sandbox.adjourn("logs 1 --tail 1500").good();
    assert_eq!(end, text[1000..].join("\n") + "\n");
}

#[test]
fn for_machines_every_line_is_a_document_with_its_level() {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    log(
        &sandbox,
        &[
            output("base", "all is well"),
            output("base", "[WARNING] the disk is nearly full"),
            (LineKind::Gap, "base", b"lines may be missing"),
            (LineKind::Output, "base", b"error: \xff"),
        ],
    );
    let printed = sandbox.run(["logs", "1", "-o", "jsonl"]).good();
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line["kind"].as_str().unwrap(), line["level"].as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("output", Some("INFO")),
            ("output", Some("WARNING")),
            ("gap", None),
            ("output", Some("ERROR")),
        ]
    );
    assert_eq!(lines[1]["line"], "[WARNING] the disk is nearly full");
    assert_eq!(lines[1]["time"], "2026-11-24T08:00:01.000000000Z");
    assert_eq!(lines[3]["line_base64"], "ZXJyb3I6IP8=");
    // The same as one document.
    let printed = sandbox.run(["logs", "1", "-o", "json"]).good();
    let whole: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(whole, lines);
    sandbox.run(["logs", "-f", "1", "-o", "yaml"]).bad(
        2,
        "error: a log that is followed has no end to close a document with: use -o jsonl",
    );
}
