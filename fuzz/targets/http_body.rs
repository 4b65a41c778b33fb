//! Any bytes as the body of a request: answered, by the routes that answer everybody, and never
//! with what would be our own fault.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adjourn::clock::Clock;
use adjourn::config::ConnectionSettings;
use adjourn::http::{Access, ApiOptions, ApiSettings, Problem, TokenFile, handler};
use adjourn::operator::Operators;
use adjourn::operator::pod::{KIND, PodOperator, PodOperatorSettings};
use adjourn::pod::client::Connections;
use adjourn::service::Service;
use adjourn::store::Store;
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// After how many requests everything begins anew, so that no task of long ago slows them down.
const MANY: u32 = 2_000;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where something may be sent, and as what.
const PLACES: [(&str, &str); 12] = [
    ("/api/v1/tasks", YAML),
    ("/api/v1/tasks", JSON),
    ("/api/v1/tasks", "application/vnd.adjourn.definitions+json"),
    ("/api/v1/bulk/cancel", JSON),
    ("/api/v1/bulk/retry", JSON),
    ("/api/v1/tasks/1/cancel", JSON),
    ("/api/v1/tasks/default%2Fa%2Fr/retry", JSON),
    ("/login", FORM),
    ("/bulk/cancel", FORM),
    ("/bulk/retry", FORM),
    ("/tasks/1/cancel", FORM),
    ("/tasks/1/retry", FORM),
];

struct Daemon {
    runtime: Runtime,
    /// What answers, the directory of its database, and how often it was asked.
    router: Option<(Router, tempfile::TempDir, u32)>,
}

impl Daemon {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        Self {
            runtime,
            router: None,
        }
    }

    fn router(&mut self) -> Router {
        if let Some((router, _, asked)) = &mut self.router {
            *asked += 1;
            if *asked < MANY {
                return router.clone();
            }
        }
        self.router = None;
        let home = tempfile::tempdir().expect("there is a place for a database");
        let made = self.runtime.block_on(async {
            let clock = Clock::system();
            let database = home.path().join("adjourn.db");
            let store = Store::open(&database, clock.now()).await.expect("a database");
            let service = Service::new(store, operators(), clock);
            let tokens = TokenFile::new(home.path().join("tokens.json"));
            handler(ApiOptions {
                service,
                access: Access::new(tokens, true).expect("there are no tokens"),
                tls: None,
                settings: ApiSettings {
                    requests_per_second: None,
                    max_body_bytes: 1 << 20,
                    request_time: Duration::from_secs(30),
                    allowed_hosts: Vec::new(),
                },
            })
        });
        let router = made.clone();
        self.router = Some((made, home, 0));
        router
    }
}

/// Pods of a cluster that nobody asks: bodies are read, nothing is run.
fn operators() -> Operators {
    let connection = ("kubernetes_default".to_owned(), ConnectionSettings::default());
    let connections = Connections::new(BTreeMap::from([connection]));
    let pods = PodOperator::new(connections, PodOperatorSettings::default());
    Operators::default().with(KIND, Arc::new(pods))
}

thread_local! {
    static DAEMON: RefCell<Daemon> = RefCell::new(Daemon::new());
}

fuzz_target!(|input: (u8, &[u8])| {
    let (place, body) = input;
    let (path, kind) = PLACES[usize::from(place) % PLACES.len()];
    let request = Request::post(path)
        .header("host", "127.0.0.1")
        .header("origin", "http://127.0.0.1")
        .header("content-type", kind)
        .body(Body::from(body.to_vec()))
        .expect("it is a request");
    DAEMON.with_borrow_mut(|daemon| {
        let router = daemon.router();
        daemon.runtime.block_on(async move {
            let answer = match router.oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            let status = answer.status();
            assert!(!status.is_server_error(), "{path}: {status}");
            let body = answer.into_body().collect().await.expect("an answer ends");
            let body = body.to_bytes();
            if path.starts_with("/api") && !status.is_success() {
                let problem: Problem = serde_json::from_slice(&body).expect("errors are problems");
                assert_eq!(problem.status, status.as_u16());
                assert!(!problem.detail.is_empty());
            }
        });
    });
});
