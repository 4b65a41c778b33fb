//! Web servers that are told.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::house::House;
use crate::support::{Home, script, with};
use crate::web_server::{Received, WebServer, router};

#[test]
fn a_web_server_is_told_of_all_but_lines() {
    let house = House::new();
    let server = WebServer::start(&house.runtime);
    let task = with(
        script(&house.dag, "t", "echo one; exit 3"),
        json!({"callbacks": [{"webhook": {"url": server.url("200")}}]}),
    );
    let ended = house.run(|operator| operator, &task).expect("failed");
    let posted = server.at("200");
    let events: Vec<&str> = posted
        .iter()
        .filter_map(|posted| posted.body["event"].as_str())
        .collect();
    assert_eq!(
        events,
        [
            "on_sync_client_creation",
            "on_pod_manifest_created",
            "on_pod_creation",
            "on_async_client_creation",
            "on_sync_client_creation",
            "on_operator_resuming",
            "on_pod_starting",
            "on_pod_completion",
            "on_pod_teardown",
            "on_pod_cleanup",
        ]
    );
    let detail = &ended.detail;
    let pod = detail.pod.as_ref().unwrap();
    for posted in &posted {
        assert_eq!(posted.headers["content-type"], "application/json");
        let task = &posted.body["task"];
        assert_eq!(task["id"], detail.task.id.0);
        assert_eq!(task["key"], detail.task.key);
        assert_eq!(task["run_id"], detail.task.run_id);
        assert_eq!(task["try_number"], 1);
        assert!(posted.body["at"].is_string());
    }
    let last = &posted.last().unwrap().body;
    assert_eq!(last["pod"]["name"], pod.name.as_str());
    assert_eq!(last["pod"]["uid"], json!(pod.uid));
    assert_eq!(last["pod"]["state"], "failed");
    assert_eq!(last["outcome"], "failed");
    assert_eq!(last["exit_code"], 3);
    assert_eq!(last["reason"], json!(detail.task.reason));
    assert_eq!(last["pod_action"], "delete");
    let resuming = &posted[5].body;
    assert_eq!(resuming["trigger_event"]["status"], "failed");
}

#[test]
fn a_web_server_that_asks_for_lines_gets_them_and_its_headers() {
    let house = House::new();
    let server = WebServer::start(&house.runtime);
    let task = with(
        script(&house.dag, "t", "echo one; echo two"),
        json!({"callbacks": [{"webhook": {
            "url": server.url("200"),
            "events": ["progress_callback"],
            "headers": {"Authorization": "Bearer open sesame", "X-Team": "data"},
        }}]}),
    );
    house.run(|operator| operator, &task).expect("success");
    let posted = server.at("200");
    let lines: Vec<&str> = posted
        .iter()
        .flat_map(|posted| posted.body["lines"].as_array().unwrap())
        .map(|line| {
            assert_eq!(line["container"], "base");
            line["text"].as_str().unwrap()
        })
        .collect();
    assert_eq!(lines, ["one", "two"]);
    for posted in posted {
        assert_eq!(posted.body["event"], "progress_callback");
        assert_eq!(posted.headers["authorization"], "Bearer open sesame");
        assert_eq!(posted.headers["x-team"], "data");
    }
}

/// Keys that nobody trusts but those who are told to.
fn keys() -> (String, ServerConfig) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .unwrap();
    (certificate.pem(), config)
}

/// Serves the routes over TLS on localhost; answers the port.
#[allow(
    clippy::disallowed_methods,
    reason = "the server ends with its runtime"
)]
fn serve_tls(runtime: &tokio::runtime::Runtime, tls: ServerConfig, received: &Received) -> u16 {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = hyper_util::service::TowerToHyperService::new(router(received.clone()));
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    runtime.spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            // A client that does not trust us hangs up.
            let Ok(connection) = acceptor.accept(connection).await else {
                continue;
            };
            let connection = hyper_util::rt::TokioIo::new(connection);
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(connection, service.clone());
            tokio::spawn(served);
        }
    });
    port
}

#[test]
fn the_program_speaks_https_to_servers_that_the_machine_trusts_and_to_no_others() {
    let home = Home::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (authority, tls) = keys();
    let received = Received::default();
    let port = serve_tls(&runtime, tls, &received);
    let task = |task_id: &str| {
        let webhook = json!({
            "url": format!("https://localhost:{port}/200"),
            "events": ["on_pod_cleanup"],
        });
        let task = script(&home.dag, task_id, "true");
        home.task(&with(task, json!({"callbacks": [{"webhook": webhook}]})))
    };

    home.run(&["run", &task("stranger")]).expect(0);
    assert_eq!(received.at("200").len(), 0);

    let trusted = home.write("authority.pem", authority);
    let mut command = home.command(&["run", &task("friend")]);
    command.env("SSL_CERT_FILE", trusted);
    crate::support::Running::start(command).finish().expect(0);
    let posted = received.at("200");
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].body["outcome"], "succeeded");
    assert_eq!(posted[0].body["task"]["task_id"], "friend");
}
