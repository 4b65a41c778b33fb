//! Files that are too large, too deep or too many: each limit has one clear sentence.

use crate::sandbox::Sandbox;
use crate::tables::told;

#[track_caller]
fn says(text: impl AsRef<[u8]>, sentence: &str) {
    let sandbox = Sandbox::new();
    assert_eq!(told(&sandbox, "dry-run", "task.yaml", &text), sentence);
    assert_eq!(told(&sandbox, "submit", "task.yaml", &text), sentence);
}

/// A task with one more key.
fn with(more: &str) -> String {
    format!("task_id: t\nimage: busybox\n{more}\n")
}

#[test]
fn a_file_that_is_too_large() {
    let text = with(&format!("arguments: [{}]", "x".repeat(5 << 20)));
    says(
        text,
        "error: cannot read task.yaml: it is larger than 4 MiB: split it, and let pods fetch large data themselves",
    );
}

#[test]
fn a_file_without_an_end() {
    let sandbox = Sandbox::new();
    sandbox
        .adjourn("dry-run /dev/zero")
        .bad(2, "error: cannot read /dev/zero: it is larger than 4 MiB: split it, and let pods fetch large data themselves");
}

#[test]
fn a_file_of_too_many_tasks() {
    let list: String = (0..10_001).map(|n| format!("- task_id: t{n}\n")).collect();
    says(
        list,
        "error: task.yaml: holds 10001 tasks, and one file may hold 10000: split it",
    );
}

#[test]
fn a_file_of_too_many_documents() {
    let documents: String = (0..10_001)
        .map(|n| format!("---\ntask_id: t{n}\n"))
        .collect();
    says(
        documents,
        "error: task.yaml:20001:1: holds more than 10000 documents: split the file",
    );
}

#[test]
fn lists_that_are_nested_too_deeply() {
    let deep = format!("params: {{x: {}{}}}", "[".repeat(99), "]".repeat(99));
    says(
        with(&deep),
        "error: task.yaml:3:111: is nested more than 100 levels deep here, and a task file may not be",
    );
    let endless = format!("params: {{x: {}}}", "[".repeat(100_000));
    says(
        with(&endless),
        "error: task.yaml:3:267: is nested more than 100 levels deep here, and a task file may not be",
    );
}

#[test]
fn mappings_that_are_nested_too_deeply() {
    let deep: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    says(
        deep,
        "error: task.yaml:101:101: is nested more than 100 levels deep here, and a task file may not be",
    );
}

#[test]
fn what_is_as_deep_as_it_may_be_is_stored_and_read_again() {
    let sandbox = Sandbox::new();
    let deep = format!("params: {{x: {}{}}}", "[".repeat(98), "]".repeat(98));
    let done = sandbox.with_input("submit -", &with(&deep));
    assert_eq!(done.good(), "1\n");
    let again = sandbox.adjourn("describe 1 -o json").good();
    assert!(again.contains("\"queued\""), "{again}");
}

#[test]
fn aliases_that_multiply() {
    let mut bomb = "params:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let before = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb.push_str(&format!("  a{n}: &a{n} [{before}]\n"));
    }
    says(
        with(&bomb),
        "error: task.yaml:9:12: aliases repeat more than 100000 values here: write out what is needed",
    );
}

#[test]
fn aliases_of_something_large() {
    let large = vec!["x"; 1000].join(", ");
    let bomb = format!(
        "params:\n  a: &a [{large}]\n  b: [{}]",
        vec!["*a"; 1000].join(", ")
    );
    says(
        with(&bomb),
        "error: task.yaml:5:403: aliases repeat more than 100000 values here: write out what is needed",
    );
}

#[test]
fn a_template_that_is_too_long() {
    let long = format!("arguments: ['{{{{ ds }}}}{}']", "x".repeat(300 << 10));
    let sandbox = Sandbox::new();
    assert_eq!(
        told(&sandbox, "dry-run", "task.yaml", with(&long)),
        "error: task t: arguments[0]: the template is longer than 256 KiB: let the container fetch large data itself",
    );
}

#[test]
fn a_thousand_loops_that_hardly_end_cost_as_much_as_one() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let many: String = (0..1000)
        .map(|n| format!("  A{n}: \"{endless}\"\n"))
        .collect();
    let sandbox = Sandbox::new();
    assert_eq!(
        told(
            &sandbox,
            "dry-run",
            "task.yaml",
            with(&format!("env_vars:\n{many}"))
        ),
        "error: task t: env_vars.A0: the template takes too many steps or makes too much text: is there a loop that hardly ends?",
    );
}

#[test]
fn of_very_many_faults_a_hundred_are_told() {
    let keys: String = (0..5000)
        .map(|n| format!("nobody_knows_{n}: 1\n"))
        .collect();
    let sandbox = Sandbox::new();
    let said = told(&sandbox, "dry-run", "task.yaml", with(&keys));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 101);
    assert!(
        lines[99].contains("nobody_knows_99: unknown key"),
        "{}",
        lines[99]
    );
    assert_eq!(lines[100], "error: task.yaml: and 4900 more faults");
}
