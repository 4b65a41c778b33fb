//! Requests as they are counted.

use std::collections::BTreeMap;

use crate::client::Request;
use crate::daemon::Daemon;

/// How many requests were counted, by route and status.
fn counted(daemon: &Daemon) -> BTreeMap<(String, String), u64> {
    let metrics = daemon.get("/metrics").send().expect(200).text();
    let label = |line: &str, name: &str| {
        let value = line.split(&format!("{name}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    };
    let lines = metrics.lines();
    lines
        .filter(|line| line.starts_with("adjourn_http_requests_total{"))
        .map(|line| {
            let count = line.rsplit(' ').next().unwrap().parse().unwrap();
            ((label(line, "route"), label(line, "code")), count)
        })
        .collect()
}

/// Whatever is asked for, there are as many labels as there are routes.
#[test]
fn requests_are_counted_by_route_those_for_pages_too() {
    let daemon = Daemon::alone();
    daemon.submit_ended("task_id: a\nrun_id: r\nimage: busybox\n");
    let before = counted(&daemon);
    for (path, status) in [
        ("/", 200),
        ("/?state=failed", 200),
        ("/overview", 200),
        ("/tasks/1", 200),
        ("/tasks/default%2Fa%2Fr", 200),
        ("/tasks/77", 404),
        ("/assets/none.css", 404),
        ("/api/v1/tasks/1", 200),
        ("/api/v1/tasks/default%2Fa%2Fr", 200),
        ("/api/v1/tasks/77", 404),
        ("/api/v1/tasks/1/xcom/canary", 404),
        ("/canary", 404),
        ("/api/v1/canary/1", 404),
    ] {
        assert_eq!(daemon.get(path).send().status, status, "{path}");
    }
    for method in ["DELETE", "CANARY"] {
        let asked = Request::new(&daemon.place, method, "/api/v1/tasks/1").send();
        assert_eq!(asked.status, 405);
    }
    assert_eq!(
        daemon.post("/bulk/cancel").send().status,
        403,
        "no form of ours"
    );
    let mut more = counted(&daemon);
    for (key, count) in &mut more {
        *count -= before.get(key).copied().unwrap_or(0);
    }
    more.retain(|_, count| *count > 0);
    let wanted = [
        ("/", "200", 2),
        ("/api/v1/tasks/{task}", "200", 2),
        ("/api/v1/tasks/{task}", "404", 1),
        ("/api/v1/tasks/{task}", "405", 2),
        ("/api/v1/tasks/{task}/xcom/{key}", "404", 1),
        ("/assets/{name}", "404", 1),
        ("/bulk/cancel", "403", 1),
        ("/metrics", "200", 1),
        ("/overview", "200", 1),
        ("/tasks/{task}", "200", 2),
        ("/tasks/{task}", "404", 1),
        ("none", "404", 2),
    ];
    let wanted = wanted
        .map(|(route, code, count)| ((route.to_owned(), code.to_owned()), count))
        .into();
    assert_eq!(more, wanted);
}
