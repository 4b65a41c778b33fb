//! What goes on: logs to their verdict, changes as they happen.

use serde_json::json;

use crate::daemon::Daemon;
use crate::support::{Home, eventually, script, with};

/// A daemon beside a cluster.
fn beside_a_cluster() -> Daemon {
    Daemon::of(Home::new())
}

#[test]
fn a_log_is_followed_from_before_the_pod_to_the_verdict() {
    let daemon = beside_a_cluster();
    let task = script(&daemon.home.dag, "talks", "echo one; echo two; exit 3");
    let id = daemon.submit(&task.to_string())[0];
    let path = format!("/api/v1/tasks/{id}/log/text?follow=true");
    let text = daemon.get(&path).send().expect(200).text();
    let (lines, verdict) = text.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(lines, "one\ntwo");
    assert!(
        verdict.starts_with(&format!("task {id} failed: ")),
        "{verdict}"
    );
    // As events, and from the middle on.
    let path = format!("/api/v1/tasks/{id}/log/events?container=base");
    let mut all = daemon.get(&path).open();
    let first = all.event().unwrap();
    assert_eq!(
        (first.0.as_str(), &first.2["line"]),
        ("line", &json!("one"))
    );
    let mut rest = daemon.get(&path).header("last-event-id", &first.1).open();
    let second = rest.event().unwrap();
    assert_eq!(second.2["line"], "two");
    let end = std::iter::from_fn(|| rest.event())
        .find(|(name, ..)| name == "end")
        .unwrap();
    assert_eq!(
        (&end.2["state"], &end.2["exit_code"]),
        (&json!("failed"), &json!(3))
    );
    assert!(rest.event().is_none(), "behind the verdict nothing comes");
    let page = daemon
        .get(&format!("/api/v1/tasks/{id}/log?tail=1&container=base"))
        .send();
    assert_eq!(page.expect(200).json()["lines"][0]["line"], "two");
    // The command line follows it from afar.
    let done = daemon
        .home
        .run(&["logs", "-f", &id.to_string(), "--server", &daemon.url()]);
    assert_eq!(done.expect(0).text(), "one\ntwo\n");
    let code = daemon
        .home
        .run(&["wait", &id.to_string(), "--server", &daemon.url()])
        .code;
    assert_eq!(code, Some(1), "the task's own verdict");
}

#[test]
fn a_task_is_cancelled_from_afar_and_its_pod_goes() {
    let daemon = beside_a_cluster();
    let task = script(&daemon.home.dag, "sleeps", "echo up; sleep 1000");
    let task = with(task, json!({"logging_interval": 1}));
    let id = daemon.submit(&task.to_string())[0].to_string();
    let path = format!("/api/v1/tasks/{id}/log/events?container=base");
    let mut log = daemon.get(&path).open();
    assert_eq!(log.event().unwrap().2["line"], "up");
    let done = daemon
        .home
        .run(&["cancel", &id, "--server", &daemon.url()])
        .expect(0);
    assert_eq!(done.stderr, format!("task {id} cancelled\n"));
    eventually("the end of its pod", || {
        let pods = daemon.home.cluster().pods(&daemon.home.dag);
        pods.is_empty().then_some(())
    });
    let end = std::iter::from_fn(|| log.event()).last().unwrap();
    assert_eq!(
        (end.0.as_str(), &end.2["state"]),
        ("end", &json!("cancelled"))
    );
}

#[test]
fn changes_are_told_once_each_across_connections() {
    let daemon = Daemon::alone();
    let mut live = daemon.get("/api/v1/events").open();
    daemon.submit_ended("task_id: a\nimage: busybox\n");
    let first = live.event().unwrap();
    assert_eq!(
        (first.0.as_str(), &first.2["event"]),
        ("change", &json!("submit"))
    );
    drop(live);
    let mut resumed = daemon
        .get("/api/v1/events")
        .header("last-event-id", &first.1)
        .open();
    let mut seen = vec![first.2];
    while seen.last().unwrap()["to_state"] != "cancelled" {
        seen.push(resumed.event().unwrap().2);
    }
    let page = daemon
        .get("/api/v1/changes?after=0")
        .send()
        .expect(200)
        .json();
    let told = page["changes"].as_array().unwrap();
    assert_eq!(&seen, told, "none is missing and none comes twice");
    let wrong = daemon
        .get("/api/v1/events")
        .header("last-event-id", "x")
        .send();
    assert_eq!(wrong.problem(400).0, "usage");
}

#[test]
fn a_follower_survives_the_end_of_its_daemon() {
    let daemon = Daemon::alone();
    let id = daemon.submit("task_id: a\nimage: busybox\n")[0].to_string();
    let mut log = daemon.get(&format!("/api/v1/tasks/{id}/log/events")).open();
    let asked = |daemon: &Daemon| {
        let metrics = daemon.get("/metrics").send().expect(200).text();
        let answers = metrics.lines().filter(|line| {
            line.starts_with("adjourn_http_requests_total{") && line.contains("code=\"200\"")
        });
        answers
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    let mut follower = daemon.home.start(&["wait", &id, "--server", &daemon.url()]);
    // Its own questions are counted, too: more of them than ours say that it has arrived.
    let mut ours = asked(&daemon);
    eventually("the follower's questions", || {
        ours += 1;
        (asked(&daemon) > ours + 2).then_some(())
    });
    let Daemon { home, serve, place } = daemon;
    serve.signal(nix::sys::signal::Signal::SIGTERM);
    serve.finish().expect(0);
    assert!(log.event().is_none(), "the answer ends with the daemon");
    assert!(
        follower.is_running(),
        "it waits for the daemon to come back"
    );
    let serve = home.start(&["serve", "--listen", &place]);
    serve.until_err("readiness", |said| said.contains("adjourn serve: ready"));
    home.run(&["cancel", &id, "--server", &format!("http://{place}")])
        .expect(0);
    let said = follower.finish().expect(1).stderr;
    assert!(said.ends_with(&format!("task {id} cancelled\n")), "{said}");
}

#[test]
fn a_client_that_goes_away_is_forgotten() {
    let daemon = Daemon::alone();
    daemon.submit("task_id: a\nimage: busybox\n");
    let streams = || {
        let metrics = daemon.get("/metrics").send().expect(200).text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("adjourn_http_streams "));
        line.unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let open: Vec<_> = (0..3)
        .map(|_| daemon.get("/api/v1/tasks/1/log/text?follow=true").open())
        .collect();
    eventually("three answers that go on", || {
        (streams() == 3).then_some(())
    });
    drop(open);
    eventually("their end", || (streams() == 0).then_some(()));
}
