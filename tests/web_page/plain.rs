//! The pages without their script: reading, and what forms ask for.

use serde_json::json;

use crate::browser::Browser;
use crate::site::Site;
use crate::support::{script, with};

#[test]
fn without_scripts_tasks_are_cancelled_and_retried() {
    let site = Site::new();
    let waits = |name: &str| {
        with(
            script(&site.home.dag, name, "echo here; sleep 1000"),
            json!({"run_id": "r", "logging_interval": 1}),
        )
    };
    let (one, two) = (
        site.home.submit(&waits("one")),
        site.home.submit(&waits("two")),
    );
    site.home.until_lines(&one, 1);
    let mut browser = Browser::start();
    browser.scripts(false);
    browser.go(&site.at(&format!("/tasks/{one}")));
    assert!(browser.text("#log").contains("here"));
    browser.click(".head .acts button");
    site.home.until_state(&one, "cancelled");

    // One that is ticked and has ended is told of; the other one is cancelled.
    browser.go(&site.at("/"));
    browser.click(&format!("#task-{one} input"));
    browser.click(&format!("#task-{two} input"));
    browser.click("[formaction='/bulk/cancel']");
    browser.until("location.pathname === '/bulk/cancel'");
    assert!(
        browser
            .text("main")
            .contains("1 of those that were ticked was left alone")
    );
    site.home.until_state(&two, "cancelled");

    // All that fit, after one more question.
    browser.go(&site.at("/?run_id=r&state=cancelled"));
    browser.click(".every a:last-child");
    browser.until("location.pathname === '/confirm'");
    assert_eq!(browser.text("h1"), "Retry 2 tasks?");
    browser.click("button.danger");
    browser.until("location.pathname === '/' && location.search.includes('tasks=2')");
    assert!(
        browser
            .text(".notice")
            .starts_with("2 tasks: another attempt was given")
    );
    for id in [one, two] {
        assert_eq!(site.home.describe(&id)["try_number"], 2);
        let events = site.home.describe(&id)["history"].to_string();
        assert!(events.contains("retried on the web page"), "{events}");
    }
}

#[test]
fn a_form_of_another_page_is_refused() {
    let site = Site::new();
    let task = script(&site.home.dag, "kept", "sleep 1000");
    let id = site.home.submit(&task);
    let path = format!("/tasks/{id}/cancel");
    let form = [
        "-X",
        "POST",
        "-H",
        "content-type: application/x-www-form-urlencoded",
    ];
    for from in [
        vec![],
        vec!["-H", "sec-fetch-site: cross-site"],
        vec!["-H", "sec-fetch-site: same-site"],
        vec!["-H", "origin: http://evil.example"],
        vec!["-H", "origin: null"],
    ] {
        let answer = site.curl(&[&form[..], &from[..]].concat(), &path);
        assert!(answer.starts_with("HTTP/1.1 403"), "{from:?}: {answer}");
    }
    // A name that somebody else has made point here.
    let answer = site.curl(&["-H", "host: evil.example"], "/");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_ne!(site.home.describe(&id)["state"], "cancelled");
    let own = format!("origin: {}", site.url);
    let answer = site.curl(&[&form[..], &["-H", &own]].concat(), &path);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    site.home.until_state(&id, "cancelled");
}

#[test]
fn every_page_says_what_a_browser_may_do_with_it() {
    let site = Site::new();
    for (path, status) in [
        ("/", 200),
        ("/overview", 200),
        ("/tasks/99", 404),
        ("/?state=lost", 400),
        ("/?before=x", 400),
    ] {
        let answer = site.curl(&[], path).to_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{path}: {answer}"
        );
        assert!(
            answer.contains("content-security-policy: default-src 'self';"),
            "{answer}"
        );
        assert!(
            answer.contains("x-content-type-options: nosniff"),
            "{answer}"
        );
        assert!(answer.contains("<main"), "{answer}");
    }
}
