//! Web servers that do not take what they are told.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adjourn::operator::callbacks::CallbackLimits;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use crate::house::{Ended, House, LIMITS};
use crate::support::{script, with};
use crate::web_server::WebServer;

fn run(house: &House, url: &str, events: Value) -> Ended {
    let webhook = json!({"url": url, "events": events, "headers": {"Authorization": "hunter2"}});
    let task = with(
        script(&house.dag, "t", "echo done"),
        json!({"callbacks": [{"webhook": webhook}]}),
    );
    let ended = house.run(|operator| operator, &task).expect("success");
    assert_eq!(ended.lines(), ["done"]);
    ended
}

fn complaints(ended: &Ended) -> Vec<String> {
    let mut remarks = ended.remarks();
    remarks.retain(|remark| remark.contains("webhook"));
    remarks
}

#[test]
fn a_server_that_fails_twice_gets_the_same_document_until_it_takes_it() {
    let house = House::new();
    let server = WebServer::start(&house.runtime);
    let ended = run(&house, &server.url("flaky"), json!(["on_pod_completion"]));
    let posted = server.at("flaky");
    assert_eq!(posted.len(), 3);
    assert_eq!(posted[0].body["event"], "on_pod_completion");
    assert_eq!(posted[0].body["exit_code"], 0);
    assert!(posted.iter().all(|again| again.body == posted[0].body));
    assert_eq!(complaints(&ended), Vec::<String>::new());
}

#[test]
fn a_server_that_is_broken_is_tried_three_times_and_once_for_what_follows_in_that_step() {
    let house = House::new();
    let server = WebServer::start(&house.runtime);
    let url = server.url("500");
    let ended = run(&house, &url, json!(["on_pod_completion", "on_pod_cleanup"]));
    let events: Vec<Value> = server
        .at("500")
        .into_iter()
        .map(|mut posted| posted.body["event"].take())
        .collect();
    assert_eq!(
        events,
        [
            "on_pod_completion",
            "on_pod_completion",
            "on_pod_completion",
            "on_pod_cleanup"
        ]
    );
    let place = url.trim_end_matches("/500");
    let why = "failed: the server answered 500 Internal Server Error";
    assert_eq!(
        complaints(&ended),
        [
            format!("the webhook {place}, on_pod_completion: {why}"),
            format!("the webhook {place}, on_pod_cleanup: {why}"),
        ]
    );
}

#[test]
fn what_a_server_does_not_want_is_not_posted_again_and_redirections_are_not_followed() {
    let house = House::new();
    let server = WebServer::start(&house.runtime);
    for (number, status) in ["404", "307"].into_iter().enumerate() {
        let webhook = json!({"url": server.url(status), "events": ["on_pod_cleanup"]});
        let task = with(
            script(&house.dag, &format!("t-{number}"), "true"),
            json!({"callbacks": [{"webhook": webhook}]}),
        );
        let ended = house.run(|operator| operator, &task).expect("success");
        assert_eq!(server.at(status).len(), 1);
        assert_eq!(complaints(&ended).len(), 1);
    }
    assert_eq!(server.at("200").len(), 0);
}

#[test]
fn a_server_that_hangs_holds_the_task_for_a_bounded_time() {
    let house = House::with_limits(CallbackLimits {
        webhook_request: Duration::from_millis(200),
        ..LIMITS
    });
    let server = WebServer::start(&house.runtime);
    let begun = Instant::now();
    let ended = run(&house, &server.url("hang"), json!(["on_pod_creation"]));
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(server.at("hang").len(), 3);
    let told = complaints(&ended);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].ends_with("failed: no answer within 0.2 s"),
        "{told:?}"
    );
}

#[test]
fn a_server_that_is_not_there_is_no_trouble_and_no_secret_is_told() {
    let house = House::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let logged = Logged::default();
    let writer = logged.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let url = format!("http://127.0.0.1:{port}/hunter2?token=hunter2");
    let ended = run(&house, &url, json!(["on_pod_cleanup"]));
    let told = complaints(&ended);
    assert_eq!(told.len(), 1, "{told:?}");
    let begin = format!("the webhook http://127.0.0.1:{port}, on_pod_cleanup: failed: ");
    assert!(told[0].starts_with(&begin), "{told:?}");
    assert!(!told[0].contains("hunter2"), "{told:?}");
    let logged = logged.text();
    assert!(logged.contains(&begin), "{logged}");
    let leaks: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("hunter2"))
        .collect();
    assert_eq!(leaks, Vec::<&str>::new());
}

/// What is logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
