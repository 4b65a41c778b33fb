//! What tasks left for others.

use crate::databases::change;
use crate::sandbox::Sandbox;

/// A task with two results, and one without.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.submit_hello();
    sandbox
        .with_input("submit -", "task_id: b\nimage: busybox\n")
        .good();
    change(
        &sandbox.database(),
        "INSERT INTO xcom VALUES (1, 'return_value', '{\"rows\": 3, \"ok\": true}'), (1, 'words', '\"two\\nlines\"')",
    );
    sandbox
}

#[test]
fn results_are_printed_for_people_and_for_machines() {
    let sandbox = sandbox();
    for (words, printed) in [
        (
            "xcom 1",
            "KEY            VALUE\nreturn_value   {\"rows\":3,\"ok\":true}\nwords          \"two\\nlines\"\n",
        ),
        ("xcom 1 -o name", "return_value\nwords\n"),
        (
            "xcom 1 -o jsonl",
            "{\"return_value\":{\"rows\":3,\"ok\":true},\"words\":\"two\\nlines\"}\n",
        ),
        ("xcom 1 return_value", "{\"rows\":3,\"ok\":true}\n"),
        ("xcom default/hello/first words", "two\nlines\n"),
        ("xcom 1 words -o json", "\"two\\nlines\"\n"),
        ("xcom 1 words -o name", "words\n"),
        ("xcom 2", "KEY   VALUE\n"),
        ("xcom 2 -o json", "{}\n"),
    ] {
        assert_eq!(sandbox.adjourn(words).good(), printed, "{words}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    let sandbox = sandbox();
    sandbox.adjourn("xcom 1 rows").bad(
        3,
        "error: task 1 has no result \"rows\": it has return_value, words",
    );
    sandbox.adjourn("xcom 2 return_value").bad(
        3,
        "error: task 2 has no result \"return_value\": it has none",
    );
    assert_eq!(sandbox.adjourn("xcom 9").code, 3);
    assert_eq!(sandbox.adjourn("xcom").code, 2);
}
