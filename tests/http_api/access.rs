//! Who may ask for what.

use serde_json::json;

use crate::client::Request;
use crate::daemon::Daemon;
use crate::support::{Home, eventually};

fn bearer(request: Request, token: &str) -> Request {
    request.header("authorization", &format!("Bearer {token}"))
}

#[test]
fn with_tokens_everybody_needs_one_and_some_may_only_look() {
    let home = Home::without_cluster();
    let token = |words: &[&str]| {
        let done = home
            .run(&[&["token", "create"][..], words].concat())
            .expect(0);
        done.text().trim_end().to_owned()
    };
    let (full, look) = (token(&["ops"]), token(&["board", "--read-only"]));
    let kept = std::fs::read_to_string(home.state().join("tokens.json")).unwrap();
    assert!(
        !kept.contains(&full) && !kept.contains(&look),
        "only hashes are kept"
    );
    let daemon = Daemon::of(home);
    let list = || daemon.get("/api/v1/tasks");
    let cancel = || {
        daemon
            .post("/api/v1/bulk/cancel")
            .json(&json!({"all": true}))
    };
    let asked = list().send();
    assert!(
        asked
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer")
    );
    assert_eq!(asked.problem(401).0, "unauthorized");
    for wrong in ["Bearer adjourn_wrong", "Basic b3BzOm9wcw==", "Bearer"] {
        assert_eq!(
            list().header("authorization", wrong).send().problem(401).0,
            "unauthorized"
        );
    }
    bearer(list(), &look).send().expect(200);
    bearer(list(), &full).send().expect(200);
    assert_eq!(bearer(cancel(), &look).send().problem(403).0, "forbidden");
    bearer(cancel(), &full).send().expect(200);
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        daemon.get(open).send().expect(200);
    }
    // The command line with a token.
    let asked = |token: &str| {
        let mut command = daemon.home.command(&["list", "--server", &daemon.url()]);
        command.env("ADJOURN_TOKEN", token);
        crate::support::Running::start(command).finish().code
    };
    assert_eq!((asked(&look), asked("wrong")), (Some(0), Some(2)));
    daemon.home.run(&["token", "revoke", "board"]).expect(0);
    eventually("the end of a revoked token", || {
        (bearer(list(), &look).send().status == 401).then_some(())
    });
    let left = daemon.home.run(&["token", "list", "-o", "name"]).expect(0);
    assert_eq!(left.text(), "ops\n");
    daemon.home.run(&["token", "revoke", "board"]).expect(3);
    daemon.home.run(&["token", "create", "ops"]).expect(2);
}

#[test]
fn other_machines_are_answered_only_with_tokens() {
    let home = Home::without_cluster();
    let refused = home.run(&["serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert_eq!(
        refused.stderr,
        "error: 0.0.0.0:0 can be reached from other machines, and no token is needed yet: make one with `adjourn token create NAME`, or listen on 127.0.0.1\n"
    );
}

#[test]
fn pages_of_other_sites_cannot_do_anything() {
    let daemon = Daemon::alone();
    let cancel = || daemon.post("/api/v1/bulk/cancel");
    let all = json!({"all": true});
    // A name that its owner has made point here.
    let rebound = daemon
        .get("/api/v1/tasks")
        .header("host", "pages.example:8470")
        .send();
    assert_eq!(rebound.problem(403).0, "forbidden");
    // What a form may send anywhere.
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
    ] {
        let sent = cancel().body(kind, all.to_string()).send();
        assert_eq!(sent.problem(415).0, "unsupported_media_type", "{kind}");
    }
    assert_eq!(cancel().send().problem(415).0, "unsupported_media_type");
    let foreign = cancel()
        .json(&all)
        .header("origin", "http://pages.example")
        .send();
    assert_eq!(foreign.problem(403).0, "forbidden");
    let cross = cancel()
        .json(&all)
        .header("sec-fetch-site", "cross-site")
        .send();
    assert_eq!(cross.problem(403).0, "forbidden");
    let own = cancel().json(&all).header("origin", &daemon.url());
    let own = own
        .header("sec-fetch-site", "same-origin")
        .send()
        .expect(200);
    assert!(
        !own.head.to_lowercase().contains("access-control-allow"),
        "{}",
        own.head
    );
}

#[test]
fn a_client_that_asks_too_often_is_asked_to_wait() {
    let home = Home::without_cluster().set("ADJOURN_HTTP_REQUESTS_PER_SECOND", "1");
    let daemon = Daemon::of(home);
    let refused = eventually("a refusal", || {
        let answer = daemon.get("/api/v1/commits").send();
        (answer.status != 200).then_some(answer)
    });
    assert!(
        refused.head.to_lowercase().contains("retry-after: "),
        "{}",
        refused.head
    );
    assert_eq!(refused.problem(429).0, "too_many_requests");
    daemon.get("/healthz").send().expect(200);
}

#[test]
fn the_usual_port_that_is_taken_is_told_and_no_reason_to_stop() {
    // It may be taken by anybody, this test does not ask by whom.
    let _held = std::net::TcpListener::bind("127.0.0.1:8470");
    let home = Home::without_cluster();
    let mut command = home.command(&["serve"]);
    command.env_remove("ADJOURN_HTTP_LISTEN");
    let serve = crate::support::Running::start(command);
    let said = serve.until_err("readiness", |said| said.contains("adjourn serve: ready"));
    assert!(
        said.contains("warning: 127.0.0.1:8470 is taken, so this serve has no HTTP API: give it a port with --listen, or say --listen none"),
        "{said}"
    );
    let home = Home::without_cluster();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = home.run(&["serve", "--listen", &address]).expect(2);
    assert!(
        refused
            .stderr
            .starts_with(&format!("error: cannot listen on {address}: "))
    );
}
