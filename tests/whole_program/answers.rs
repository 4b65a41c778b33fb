//! Everything that a daemon answers over HTTP, to be looked through.

use serde_json::{Value, json};

use crate::client::Request;

/// Asks for all that the OpenAPI document and the page have, about each of the tasks that have
/// ended and the one that waits, and shows every answer to `look`. How many there were.
pub fn every(place: &str, ended: &[&str], waits: &str, look: impl Fn(&str, &[u8])) -> usize {
    let get = |path: &str| Request::new(place, "GET", path);
    let mut asked = 0;
    let mut seen = |path: &str| {
        let answer = get(path).send();
        assert!(answer.status < 500, "{path}: {}", answer.status);
        look(path, answer.head.as_bytes());
        look(path, &answer.body);
        asked += 1;
        answer.status
    };
    let document = get("/openapi.json").send().expect(200).json();
    let paths = document["paths"].as_object().unwrap().iter();
    for (path, item) in paths.filter(|(_, item)| item["get"].is_object()) {
        // What goes on is read below.
        if path.ends_with("/events") {
            continue;
        }
        if !path.contains("{task}") {
            let query = if path.ends_with("/disposals") {
                "?id=1"
            } else {
                ""
            };
            assert_eq!(seen(&format!("{path}{query}")), 200, "{path}");
            continue;
        }
        for task in ended.iter().chain([&waits]) {
            let path = path.replace("{task}", task);
            let status = seen(&path.replace("{key}", "return_value"));
            assert!(status == 200 || path.contains("{key}"), "{path}: {status}");
        }
        assert!(item["get"]["summary"].is_string());
    }
    for path in ["/", "/overview", "/confirm?wish=cancel&state=failed"] {
        assert_eq!(seen(path), 200, "{path}");
    }
    for task in ended.iter().chain([&waits]) {
        assert_eq!(seen(&format!("/tasks/{task}")), 200);
        assert_eq!(seen(&format!("/tasks/{task}?search=canary")), 200);
    }
    for query in ["follow=true&prefix=true&timestamps=true", "tail=5"] {
        for task in ended {
            assert_eq!(seen(&format!("/api/v1/tasks/{task}/log/text?{query}")), 200);
        }
    }
    // Each change as it was told, and each line to the verdict.
    let page = get("/api/v1/changes?limit=1000").send().expect(200).json();
    let changes = page["changes"].as_array().unwrap().len();
    let mut live = get("/api/v1/events?after=0").open();
    for _ in 0..changes {
        let (.., change) = live.event().unwrap();
        look("/api/v1/events", change.to_string().as_bytes());
    }
    for task in ended {
        let path = format!("/api/v1/tasks/{task}/log/events");
        let mut log = get(&path).open();
        let mut last = Value::Null;
        while let Some((.., event)) = log.event() {
            look(&path, event.to_string().as_bytes());
            last = event;
        }
        assert_eq!(last["is_final"], true, "{path} ends with the verdict");
        asked += 1;
    }
    asked
}

/// What is answered to wishes, most of which make no sense, and to a task file that is wrong.
pub fn refusals(place: &str, wrong: &[u8], look: impl Fn(&str, &[u8])) {
    let post = |path: &str| Request::new(place, "POST", path);
    for (what, request) in [
        (
            "a task file",
            post("/api/v1/tasks").body("application/yaml", wrong),
        ),
        (
            "definitions",
            post("/api/v1/tasks").body("application/vnd.adjourn.definitions+json", wrong),
        ),
        (
            "an ended task's end",
            post("/api/v1/tasks/1/cancel").json(&json!({})),
        ),
        (
            "a retry of nothing",
            post("/api/v1/tasks/77/retry").json(&json!({})),
        ),
        (
            "many ends",
            post("/api/v1/bulk/cancel").json(&json!({"filter": {"states": ["failed"]}})),
        ),
        (
            "no form of ours",
            post("/bulk/cancel").body("text/plain", wrong),
        ),
    ] {
        let answer = request.send();
        assert!(answer.status < 500, "{what}: {}", answer.status);
        look(what, &answer.body);
    }
}
