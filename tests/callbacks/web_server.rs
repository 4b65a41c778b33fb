//! A web server that takes webhooks as it is told to, and remembers them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<Vec<Posted>>>);

pub struct WebServer {
    address: SocketAddr,
    received: Received,
    serving: JoinHandle<()>,
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Received {
    fn add(&self, posted: Posted) -> usize {
        let mut received = self.0.lock().unwrap();
        let path = posted.path.clone();
        received.push(posted);
        received.iter().filter(|posted| posted.path == path).count()
    }

    /// What was posted to a path, in order.
    pub fn at(&self, path: &str) -> Vec<Posted> {
        let mut received = self.0.lock().unwrap().clone();
        received.retain(|posted| posted.path == path);
        received
    }
}

/// The server's routes: `flaky` refuses the first two requests, `hang` never answers, any number
/// is the status of the answer.
pub fn router(received: Received) -> Router {
    Router::new()
        .route("/{path}", post(take))
        .with_state(received)
}

async fn take(
    State(received): State<Received>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let body = serde_json::from_str(&body).unwrap();
    let count = received.add(Posted {
        path: path.clone(),
        headers,
        body,
    });
    match path.as_str() {
        "flaky" if count <= 2 => {
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response()
        }
        "flaky" => StatusCode::NO_CONTENT.into_response(),
        "hang" => std::future::pending().await,
        status => {
            let status: StatusCode = status.parse().unwrap();
            (status, [("location", "/200")]).into_response()
        }
    }
}

impl WebServer {
    #[allow(
        clippy::disallowed_methods,
        reason = "the handle aborts the server when it is dropped"
    )]
    pub fn start(runtime: &Runtime) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received::default();
        let router = router(received.clone());
        let serving = runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            received,
            serving,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub fn at(&self, path: &str) -> Vec<Posted> {
        self.received.at(path)
    }
}
