//! Submitting, listing, looking, wishing.

use serde_json::{Value, json};

use crate::daemon::Daemon;

const HELLO: &str = "task_id: hello\nrun_id: first\nimage: busybox\n";

#[test]
fn a_task_that_is_submitted_again_is_the_same_task() {
    let daemon = Daemon::alone();
    let tasks = || daemon.post("/api/v1/tasks");
    let first = tasks().yaml(HELLO).send().expect(201).json();
    assert_eq!(
        first["tasks"][0],
        json!({"id": 1, "key": "default/hello/first", "created": true})
    );
    let as_json = json!({"task_id": "hello", "run_id": "first", "image": "busybox"});
    let again = tasks().json(&as_json).send().expect(200).json();
    assert_eq!(again["tasks"][0]["created"], false);
    assert_eq!(again["tasks"][0]["id"], 1);
    let other = HELLO.replace("busybox", "alpine");
    let (kind, detail) = tasks().yaml(&other).send().problem(409);
    assert_eq!(kind, "key_taken");
    assert_eq!(
        detail,
        "the key default/hello/first is task 1 already, with another definition; give another run_id, or leave run_id out to start a new run"
    );
}

#[test]
fn what_is_wrong_with_a_task_file_is_told_with_its_lines() {
    let daemon = Daemon::alone();
    let tasks = |body: &str| {
        daemon
            .post("/api/v1/tasks")
            .yaml(body)
            .send()
            .expect(422)
            .json()
    };
    let problem = tasks("task_id: a\nimgae: busybox\npoll_interval: often\n");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(
        errors[0],
        "body:2:1: imgae: unknown key, did you mean image?"
    );
    assert!(
        errors[1]
            .as_str()
            .unwrap()
            .starts_with("body:3:16: poll_interval: ")
    );
    let two = format!("{HELLO}---\ntask_id: blank\n");
    let problem = tasks(&two);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("task blank: "),
        "{problem}"
    );
    let problem = tasks("task_id: a\npod_template_file: /etc/hostname\n");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("pod_template_dict"),
        "{problem}"
    );
    let list = daemon.get("/api/v1/tasks").send().expect(200).json();
    assert_eq!(list["tasks"], json!([]), "nothing of them was stored");
}

#[test]
fn pages_meet_every_task_once_while_others_come() {
    let daemon = Daemon::alone();
    let ten: Vec<Value> = (0..10)
        .map(|n| json!({"task_id": format!("t{n}"), "run_id": "r", "image": "busybox"}))
        .collect();
    daemon.submit(&json!(ten).to_string());
    let mut seen = Vec::new();
    let mut path = "/api/v1/tasks?limit=3".to_owned();
    loop {
        let page = daemon.get(&path).send().expect(200).json();
        let tasks = page["tasks"].as_array().unwrap();
        assert!(tasks.len() <= 3);
        seen.extend(tasks.iter().map(|task| task["id"].as_i64().unwrap()));
        // Somebody submits between the pages.
        daemon.submit("task_id: late\nimage: busybox\n");
        match page["next"].as_i64() {
            Some(next) => path = format!("/api/v1/tasks?limit=3&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=10).rev().collect::<Vec<i64>>());
}

#[test]
fn a_list_is_narrowed_by_what_is_asked() {
    let daemon = Daemon::alone();
    daemon.submit_ended(
        "[{task_id: a, dag_id: x, run_id: r, image: busybox}, {task_id: b, dag_id: x, run_id: r, image: busybox}, {task_id: b, dag_id: y, run_id: s, image: busybox}]",
    );
    let ids = |query: &str| {
        let path = format!("/api/v1/tasks?{query}");
        let page = daemon.get(&path).send().expect(200).json();
        let tasks = page["tasks"].as_array().unwrap().iter();
        tasks
            .map(|task| task["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("dag_id=x"), [2, 1]);
    assert_eq!(ids("task_id=b&run_id=s"), [3]);
    assert_eq!(ids("state=cancelled&state=failed"), [3, 2, 1]);
    assert_eq!(ids("state=queued"), Vec::<i64>::new());
    assert_eq!(ids("id=1&id=y%2Fb%2Fs"), [3, 1]);
}

#[test]
fn what_cannot_be_understood_is_told() {
    let daemon = Daemon::alone();
    daemon.submit_ended(HELLO);
    for (path, words) in [
        ("/api/v1/tasks?lmit=1", "\"lmit\" is no parameter"),
        ("/api/v1/tasks?limit=0", "from 1 to 1000"),
        ("/api/v1/tasks?limit=1&limit=2", "more than once"),
        ("/api/v1/tasks?state=done", "up_for_retry"),
        ("/api/v1/tasks/a%2Fb", "names no task"),
        ("/api/v1/tasks/%FF", "UTF-8"),
        ("/api/v1/tasks/1/log?since=today", "since"),
    ] {
        let (kind, detail) = daemon.get(path).send().problem(400);
        assert_eq!(kind, "usage", "{path}");
        assert!(detail.contains(words), "{path}: {detail}");
    }
    for path in [
        "/api/v1/tasks/7",
        "/api/v1/tasks/default%2Fhello%2Fsecond/log",
        "/nowhere",
    ] {
        assert_eq!(
            daemon.get(path).send().problem(404).0,
            "not_found",
            "{path}"
        );
    }
    assert_eq!(
        daemon
            .post("/api/v1/stats")
            .json(&json!({}))
            .send()
            .problem(405)
            .0,
        "method_not_allowed"
    );
    let cancel = daemon
        .post("/api/v1/tasks/1/cancel")
        .json(&json!({"raeson": "x"}));
    assert_eq!(cancel.send().problem(400).0, "usage");
}

#[test]
fn a_task_and_all_that_is_known_of_it() {
    let daemon = Daemon::alone();
    daemon.submit_ended(HELLO);
    let by_key = daemon
        .get("/api/v1/tasks/default%2Fhello%2Ffirst")
        .send()
        .expect(200)
        .json();
    assert_eq!(
        by_key,
        daemon.get("/api/v1/tasks/1").send().expect(200).json()
    );
    assert_eq!(by_key["state"], "cancelled");
    let history = daemon
        .get("/api/v1/tasks/1/history")
        .send()
        .expect(200)
        .json();
    assert_eq!(history["history"], by_key["history"]);
    assert_eq!(history["history"][0]["event"], "submit");
    assert_eq!(
        daemon.get("/api/v1/tasks/1/xcom").send().expect(200).json(),
        json!({})
    );
    assert_eq!(
        daemon
            .get("/api/v1/tasks/1/xcom/none")
            .send()
            .problem(404)
            .0,
        "not_found"
    );
    let log = daemon.get("/api/v1/tasks/1/log").send().expect(200).json();
    assert_eq!(log, json!({"lines": [], "next": 0}));
    assert_eq!(
        daemon.get("/api/v1/triggers").send().expect(200).json(),
        json!({"triggers": [], "next": null})
    );
    let stats = daemon.get("/api/v1/stats").send().expect(200).json();
    assert_eq!(stats["tasks"]["cancelled"], 1);
    assert_eq!(stats["engines"][0]["kind"], "serve");
}

#[test]
fn counts_keep_up_with_what_happens() {
    let daemon = Daemon::alone();
    let cancelled = || {
        let stats = daemon.get("/api/v1/stats").send().expect(200).json();
        stats["tasks"]["cancelled"].as_i64().unwrap()
    };
    assert_eq!(cancelled(), 0);
    for n in 1..=3 {
        daemon.submit_ended("task_id: a\nimage: busybox\n");
        assert_eq!(cancelled(), n);
    }
}

#[test]
fn wishes_for_one_and_for_many() {
    let daemon = Daemon::alone();
    daemon.submit_ended("[{task_id: a, dag_id: x, run_id: r, image: busybox}, {task_id: b, dag_id: y, run_id: r, image: busybox}]");
    let again = daemon
        .post("/api/v1/tasks/1/cancel")
        .json(&json!({}))
        .send()
        .expect(202);
    assert_eq!(again.json()["state"], "cancelled", "it is as asked");
    let (kind, detail) = daemon
        .post("/api/v1/bulk/retry")
        .json(&json!({}))
        .send()
        .problem(400);
    assert_eq!(kind, "usage");
    assert!(detail.contains("\"all\": true"), "{detail}");
    let retried = daemon
        .post("/api/v1/bulk/retry")
        .json(&json!({"filter": {"dag_id": "x"}, "reason": "once more"}))
        .send()
        .expect(200)
        .json();
    assert_eq!(retried, json!({"done": [1], "refused": []}));
    let history = daemon
        .get("/api/v1/tasks/1/history")
        .send()
        .expect(200)
        .json();
    let told = history["history"].as_array().unwrap();
    let retry = told
        .iter()
        .find(|change| change["event"] == "retry")
        .unwrap();
    assert_eq!(retry["reason"], "once more");
    let cancelled = daemon
        .post("/api/v1/bulk/cancel")
        .json(&json!({"all": true}))
        .send()
        .expect(200);
    assert_eq!(cancelled.json(), json!({"done": [1], "refused": []}));
    let (kind, _) = daemon
        .post("/api/v1/tasks/9/retry")
        .json(&json!({}))
        .send()
        .problem(404);
    assert_eq!(kind, "not_found");
}

#[test]
fn what_is_too_large_is_refused() {
    let daemon = Daemon::alone();
    let large = format!("# {}\n{HELLO}", "x".repeat(5 << 20));
    let (kind, detail) = daemon
        .post("/api/v1/tasks")
        .yaml(&large)
        .send()
        .problem(413);
    assert_eq!(kind, "too_large");
    assert!(detail.contains("max_body_bytes"), "{detail}");
    let fits = format!("# {}\n{HELLO}", "x".repeat(3 << 20));
    daemon.post("/api/v1/tasks").yaml(&fits).send().expect(201);
}
