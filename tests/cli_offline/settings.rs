//! Where settings come from, and which goes before which.

use crate::sandbox::{HELLO, Sandbox, exists};

#[test]
fn faults_of_the_settings_are_told_with_their_places() {
    let sandbox = Sandbox::new();
    sandbox.file("a.toml", "[worker]\nslotz = 2\nlease_seconds = \"long\"\n");
    sandbox.adjourn("list --config a.toml").bad(
        2,
        "\
error: a.toml:2:1: slotz is no setting of [worker], did you mean slots?
error: a.toml:3:17: lease_seconds must be a whole number from 1 to 31622400, not \"long\"",
    );
}

#[test]
fn a_settings_file_that_was_named_must_be_there() {
    let sandbox = Sandbox::new();
    sandbox.adjourn("list --config gone.toml").bad(
        2,
        "error: cannot read the settings file gone.toml: No such file or directory (os error 2); check --config and ADJOURN_CONFIG",
    );
}

#[test]
fn the_settings_file_of_the_home_is_read() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "config/adjourn/adjourn.toml",
        &format!("[store]\npath = \"{}\"\n", sandbox.path("a.db").display()),
    );
    sandbox.submit_hello();
    assert!(exists(&sandbox.path("a.db")));
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_flag_goes_before_a_variable_and_that_before_the_file() {
    let sandbox = Sandbox::new();
    sandbox.file("a.toml", "[store]\npath = \"file.db\"\n");
    sandbox.file("hello.yaml", HELLO);
    let submit = |words: &str, variables: &[(&str, &str)]| {
        let mut program = sandbox.program();
        program.args(["submit", "hello.yaml"]);
        program.args(words.split_whitespace());
        program.envs(variables.iter().copied());
        assert!(program.status().unwrap().success());
    };
    let named = [
        ("ADJOURN_CONFIG", "a.toml"),
        ("ADJOURN_STORE_PATH", "setting.db"),
        ("ADJOURN_DB", "variable.db"),
    ];
    submit("", &named[..1]);
    assert!(exists(&sandbox.path("file.db")));
    submit("", &named[..2]);
    assert!(exists(&sandbox.path("setting.db")));
    assert!(!exists(&sandbox.path("variable.db")));
    submit("", &named);
    assert!(exists(&sandbox.path("variable.db")));
    assert!(!exists(&sandbox.path("flag.db")));
    submit("--db flag.db", &named);
    assert!(exists(&sandbox.path("flag.db")));
    assert!(!exists(&sandbox.database()));
}

#[test]
fn a_variable_that_cannot_be_understood_is_named() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .program()
        .arg("list")
        .env("ADJOURN_WORKER_SLOTS", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: environment: ADJOURN_WORKER_SLOTS must be a whole number from 1 to 10000, not \"many\"\n"
    );
}

#[test]
fn a_variable_that_is_probably_misspelt_is_told() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .program()
        .args(["list", "-o", "name"])
        .env("ADJOURN_WORKER_SLOT", "2")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "warning: the environment variable ADJOURN_WORKER_SLOT sets nothing, did you mean ADJOURN_WORKER_SLOTS?\n"
    );
}

#[test]
fn a_log_level_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .program()
        .arg("list")
        .env("ADJOURN_LOG_LEVEL", "adjourn=loud")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.starts_with("error: level in [log] is \"adjourn=loud\""),
        "{err}"
    );
}

#[test]
fn a_connection_that_is_not_configured_is_refused_at_submit() {
    let sandbox = Sandbox::new();
    let task = format!("{HELLO}kubernetes_conn_id: prod\n");
    let done = sandbox.with_input("submit -", &task);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("[connections.prod]"), "{}", done.err);
    sandbox.file("a.toml", "[connections.prod]\nnamespace = \"jobs\"\n");
    let out = sandbox.with_input("submit - --config a.toml", &task).good();
    assert_eq!(out, "1\n");
}

#[test]
fn a_connections_settings_shape_the_pod() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "a.toml",
        "[connections.kubernetes_default]\nnamespace = \"jobs\"\nxcom_sidecar_container_image = \"mirror/alpine\"\n",
    );
    let task = format!("{HELLO}do_xcom_push: true\n");
    let pod = sandbox
        .with_input("dry-run - --full -o json --config a.toml", &task)
        .good();
    let pod: serde_json::Value = serde_json::from_str(&pod).unwrap();
    assert_eq!(pod["metadata"]["namespace"], "jobs");
    assert_eq!(pod["spec"]["containers"][1]["image"], "mirror/alpine");
}
