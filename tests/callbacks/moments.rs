//! When callbacks are called, and with what.

use std::sync::Arc;

use serde_json::json;

use crate::house::House;
use crate::recorder::Recorder;
use crate::support::{script, with};

#[test]
fn a_deferrable_task_tells_each_moment_of_its_pod_once_and_in_order() {
    let house = House::new();
    let recorder = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "echo one; sleep 3; echo two"),
        json!({"callbacks": ["all"], "logging_interval": 1, "poll_interval": 1}),
    );
    let ended = house
        .run(
            |operator| operator.with_callback("all", recorder.clone()),
            &task,
        )
        .expect("success");
    let moments = recorder.heard_without(&["sync client", "resuming", "line"]);
    assert_eq!(
        moments,
        [
            "manifest own=true try=1",
            "creation named=true ended=false",
            "async client of kubernetes_default",
            "starting named=true",
            "completion named=true ended=true",
            "teardown named=true ended=true",
            "cleanup succeeded code=Some(0) delete",
        ]
    );
    // Each step has its client, and each but the first goes on from an event.
    let heard = recorder.heard();
    let count = |what: &str| heard.iter().filter(|words| *words == what).count() as u32;
    assert_eq!(heard[0], "sync client works=true");
    assert!(count("resuming running") >= 1, "{heard:?}");
    assert_eq!(
        count("resuming running") + count("resuming success"),
        ended.detail.task.resumes
    );
    assert_eq!(
        count("sync client works=true"),
        ended.detail.task.resumes + 1
    );
    let place = |what: &str| heard.iter().position(|words| words.starts_with(what));
    assert!(place("starting") < place("line one"), "{heard:?}");
    assert!(place("line two") < place("completion"), "{heard:?}");
    assert_eq!(recorder.lines(), ["one", "two"]);
    assert_eq!(ended.lines(), ["one", "two"]);
}

#[test]
fn a_task_that_is_not_deferred_tells_the_same_but_for_what_it_does_not_do() {
    let house = House::new();
    let recorder = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "echo one; exit 3"),
        json!({"callbacks": ["all"], "deferrable": false, "on_finish_action": "keep_pod"}),
    );
    house
        .run(
            |operator| operator.with_callback("all", recorder.clone()),
            &task,
        )
        .expect("failed");
    assert_eq!(
        recorder.heard_without(&["line"]),
        [
            "sync client works=true",
            "manifest own=true try=1",
            "creation named=true ended=false",
            "starting named=true",
            "completion named=true ended=true",
            "teardown named=true ended=true",
            "cleanup failed code=Some(3) keep",
        ]
    );
    assert_eq!(recorder.lines(), ["one"]);
}

#[test]
fn each_attempt_tells_anew_and_a_skip_is_told_as_one() {
    let house = House::new();
    let recorder = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "exit {{ 9 if try_number == 1 else 42 }}"),
        json!({
            "callbacks": ["all"], "retries": 1, "retry_delay": 0, "skip_on_exit_code": 42,
        }),
    );
    let ended = house
        .run(
            |operator| operator.with_callback("all", recorder.clone()),
            &task,
        )
        .expect("skipped");
    let mut heard = recorder.heard_without(&["sync client"]);
    // A creation that the cluster put off builds the pod once more.
    heard.dedup();
    let of = |what: &str| -> Vec<&String> {
        heard
            .iter()
            .filter(|words| words.starts_with(what))
            .collect()
    };
    assert_eq!(
        of("manifest"),
        ["manifest own=true try=1", "manifest own=true try=2"],
        "{heard:?}\n{:#?}",
        ended.detail.history
    );
    assert_eq!(of("creation").len(), 2, "{heard:?}");
    assert_eq!(
        of("cleanup"),
        [
            "cleanup failed code=Some(9) delete",
            "cleanup skipped code=Some(42) delete"
        ]
    );
}

#[test]
fn a_killed_engine_tells_nothing_twice() {
    let house = House::new();
    let recorder = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "echo one; sleep 2; echo two"),
        json!({"callbacks": ["all"], "run_id": "r", "logging_interval": 1, "poll_interval": 1}),
    );
    house
        .run_interrupted(
            |operator| operator.with_callback("all", recorder.clone()),
            &task,
        )
        .expect("success");
    let moments = recorder.heard_without(&["sync client", "resuming"]);
    assert_eq!(
        moments,
        [
            "manifest own=true try=1",
            "creation named=true ended=false",
            "async client of kubernetes_default",
            "starting named=true",
            "line one",
            "line two",
            "completion named=true ended=true",
            "teardown named=true ended=true",
            "cleanup succeeded code=Some(0) delete",
        ]
    );
}

#[test]
fn a_progress_callback_hears_lines_and_nothing_else() {
    let house = House::new();
    let lines = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "echo one; echo two"),
        json!({"progress_callback": "lines"}),
    );
    house
        .run(
            |operator| operator.with_callback("lines", lines.clone()),
            &task,
        )
        .expect("success");
    assert_eq!(lines.heard(), ["line one", "line two"]);
}

#[test]
fn one_that_is_named_twice_hears_each_line_once() {
    let house = House::new();
    let recorder = Arc::new(Recorder::default());
    let task = with(
        script(&house.dag, "t", "echo one"),
        json!({"progress_callback": "all", "callbacks": ["all"]}),
    );
    house
        .run(
            |operator| operator.with_callback("all", recorder.clone()),
            &task,
        )
        .expect("success");
    assert_eq!(recorder.lines(), ["one"]);
}

#[test]
fn a_name_that_nobody_registered_is_refused_at_submit_with_those_that_are_known() {
    let house = House::new();
    let task = with(
        script(&house.dag, "t", "true"),
        json!({"callbacks": ["pager", "mail", {"webhook": {"url": "ftp://a"}}], "progress_callback": "tail"}),
    );
    let known = Arc::new(Recorder::default());
    let refused = house.refusal(|operator| operator.with_callback("mail", known), &task);
    assert_eq!(
        refused,
        [
            "callbacks[0]: no callback \"pager\" is registered with this program: it has mail",
            "callbacks[2]: the webhook's url must begin with http:// or https:// and name a host",
            "progress_callback: no callback \"tail\" is registered with this program: it has mail",
        ]
    );
    let refused = house.refusal(|operator| operator, &task);
    assert!(refused[0].ends_with("it has none; the built-in one is `webhook: {url: ...}`"));
}

#[test]
fn the_example_program_greets() {
    let house = House::new();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = house.cluster.kubeconfig().to_owned();
    let done = house
        .runtime
        .block_on(crate::example::greet(directory.path(), kubeconfig))
        .unwrap();
    assert_eq!(done.task.state, "success", "{:?}", done.task.reason);
    assert_eq!(done.task.log_lines, 1);
}
