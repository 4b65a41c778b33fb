//! What a container wrote is what `adjourn logs` prints, byte for byte.

use serde_json::json;

use crate::support::{Home, script, with};

#[test]
fn bytes_that_are_no_text_come_through() {
    let home = Home::new();
    let wrote = r"printf 'caf\303\251\n\377\376\000\001\n\n  spaced  \n\033[1mbold\n\nlast'";
    let expected = b"caf\xc3\xa9\n\xff\xfe\x00\x01\n\n  spaced  \n\x1b[1mbold\n\nlast\n";
    let ended = home
        .run(&["run", &home.task(&script(&home.dag, "bytes", wrote))])
        .expect(0);
    assert_eq!(
        ended.stdout.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert_eq!(home.log("1"), expected);
}

#[test]
fn five_thousand_lines_at_once_come_whole() {
    let home = Home::new();
    let task = with(
        script(&home.dag, "flood", "seq 1 5000"),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    let expected: String = (1..=5000).map(|number| format!("{number}\n")).collect();
    assert!(
        ended.text() == expected,
        "{} bytes came",
        ended.stdout.len()
    );
    assert!(home.log("1") == expected.as_bytes());
}

#[test]
fn a_line_that_is_not_finished_is_told_once_it_is() {
    let home = Home::new();
    let task = with(
        script(
            &home.dag,
            "halves",
            "echo whole; printf 'first half, '; sleep 3; echo second half",
        ),
        json!({"logging_interval": 1, "poll_interval": 1}),
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    assert_eq!(ended.text(), "whole\nfirst half, second half\n");
    let told = home.describe("1");
    assert!(told["resumes"].as_u64().unwrap() >= 2, "{told}");
}

#[test]
fn stdout_and_stderr_of_a_container_are_one_log() {
    let home = Home::new();
    let task = script(
        &home.dag,
        "both",
        "echo out; echo err >&2; sleep 0.1; echo out again",
    );
    let ended = home.run(&["run", &home.task(&task)]).expect(0);
    let mut lines: Vec<&str> = ended.text().lines().collect();
    assert_eq!(lines.pop(), Some("out again"));
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
}
