//! The recorded conversations of `exec`, frame by frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::cluster::{Cluster, PATIENCE, phase, until};

/// The recorded terminal belongs to another shell, with a greeting of its own.
const ELSEWHERE: &str = "tty with resize";

/// What was said, by channel, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Talk {
    /// The first frame.
    first: Option<(u8, Vec<u8>)>,
    /// By channel.
    said: BTreeMap<u8, Vec<u8>>,
    close: Option<u16>,
}

impl Talk {
    fn hear(&mut self, frame: &[u8]) {
        let Some((channel, payload)) = frame.split_first() else {
            return;
        };
        self.first.get_or_insert((*channel, payload.to_vec()));
        self.said.entry(*channel).or_default().extend(payload);
    }

    fn recorded(frames: &[Value]) -> Self {
        let mut talk = Self::default();
        for frame in frames.iter().filter(|frame| frame["from"] == "server") {
            if let Some(code) = frame["close_code"].as_u64() {
                talk.close = u16::try_from(code).ok();
            }
            let Some(channel) = frame["channel"].as_u64() else {
                continue;
            };
            let mut bytes = vec![u8::try_from(channel).unwrap()];
            match frame["payload_length"].as_u64() {
                // Long ones were cut: they are all of one letter.
                Some(length) => bytes.resize(usize::try_from(length).unwrap() + 1, b'x'),
                None => bytes.extend(frame["payload"].as_str().unwrap().as_bytes()),
            }
            talk.hear(&bytes);
        }
        talk
    }

    /// Texts about what could not be started are our own.
    fn essence(mut self) -> Self {
        if let Some(status) = self.said.get_mut(&3)
            && let Ok(mut told) = serde_json::from_slice::<Value>(status)
            && told["reason"] == "InternalError"
        {
            told["message"] = Value::Null;
            told["details"] = Value::Null;
            *status = told.to_string().into_bytes();
        }
        self
    }
}

struct Server {
    address: String,
    tls: TlsConnector,
    token: String,
    pods: Api<Pod>,
}

impl Server {
    async fn of(cluster: &Cluster) -> Self {
        let config = cluster.config().await;
        let mut roots = RootCertStore::empty();
        for root in config.root_cert.iter().flatten() {
            roots.add(CertificateDer::from(root.clone())).unwrap();
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address: cluster.info.server.replace("https://", ""),
            tls: TlsConnector::from(Arc::new(tls)),
            token: std::fs::read_to_string(cluster.dir.path().join("token")).unwrap(),
            pods: Api::namespaced(cluster.client().await, "rec"),
        }
    }

    async fn connect(
        &self,
        request: &Value,
        known: bool,
    ) -> Result<WebSocketStream<TlsStream<TcpStream>>, Error> {
        let path = request["path"].as_str().unwrap();
        let mut asked = format!("wss://{}{path}", self.address).into_client_request()?;
        if known {
            let token = format!("Bearer {}", self.token);
            asked
                .headers_mut()
                .insert("authorization", token.parse().unwrap());
        }
        let protocols: Vec<&str> = request["protocols"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if !protocols.is_empty() {
            let protocols = protocols.join(", ").parse().unwrap();
            asked
                .headers_mut()
                .insert("sec-websocket-protocol", protocols);
        }
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = self.tls.connect(name, stream).await.unwrap();
        let (socket, answer) = tokio_tungstenite::client_async(asked, stream).await?;
        let chosen = answer.headers().get("sec-websocket-protocol");
        let chosen = chosen.map_or("", |name| name.to_str().unwrap());
        assert_eq!(chosen, request["chosen"].as_str().unwrap());
        Ok(socket)
    }

    /// Talks as the recorded client did.
    async fn talk(&self, case: &Value) -> (u16, Talk) {
        let about = case["case"].as_str().unwrap();
        let mut request = case["request"].clone();
        let chosen = &case["response_headers"]["sec-websocket-protocol"];
        request["chosen"] = chosen.as_str().unwrap_or_default().into();
        let known = !about.starts_with("unauthorized");
        let mut talk = Talk::default();
        let mut socket = match self.connect(&request, known).await {
            Ok(socket) => socket,
            Err(Error::Http(answer)) => return (answer.status().as_u16(), talk),
            Err(other) => panic!("{about}: {other}"),
        };
        let frames = case["frames"].as_array().unwrap();
        for frame in frames.iter().filter(|frame| frame["from"] == "client") {
            let bytes = |frame: &Value| {
                let channel = u8::try_from(frame["channel"].as_u64().unwrap()).unwrap();
                let payload = frame["payload"].as_str().unwrap().as_bytes();
                [&[channel][..], payload].concat()
            };
            let message = match frame["opcode"].as_u64() {
                Some(1) => Message::text(String::from_utf8(bytes(frame)).unwrap()),
                Some(2) => Message::binary(bytes(frame)),
                Some(9) => Message::Ping(b"p".to_vec().into()),
                _ => continue,
            };
            socket.send(message).await.unwrap();
        }
        let leaves = about.starts_with("client closes");
        let gives_up = about.contains("gives up");
        let deletes = about.starts_with("pod deleted");
        let patience = if gives_up {
            Duration::from_secs(1)
        } else {
            PATIENCE
        };
        let listening = async {
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Binary(frame) => talk.hear(&frame),
                    Message::Text(frame) => talk.hear(frame.as_bytes()),
                    Message::Close(close) => talk.close = close.map(|close| close.code.into()),
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                }
                if leaves && talk.close.is_none() {
                    let normal = CloseFrame {
                        code: CloseCode::Normal,
                        reason: "".into(),
                    };
                    socket.close(Some(normal)).await.unwrap();
                }
                if deletes && talk.said.get(&1).is_some_and(|said| said == b"start\n") {
                    let params = DeleteParams::default().grace_period(1);
                    // Again for each frame that follows: it makes no difference.
                    let _ = self.pods.delete("exec1", &params).await;
                }
            }
        };
        let ended = tokio::time::timeout(patience, listening).await;
        assert_eq!(ended.is_err(), gives_up, "{about}: {talk:?}");
        (101, talk)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_conversations_go_the_same_way() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recordings/exec_trace.json"
    );
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 34);
    let cluster = Cluster::start();
    let server = Server::of(&cluster).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(cluster.client().await);
    let rec = serde_json::from_value(json!({"metadata": {"name": "rec"}})).unwrap();
    namespaces
        .create(&PostParams::default(), &rec)
        .await
        .unwrap();
    let up = |name: &str| json!({"name": name, "image": "busybox", "command": ["sleep", "1000"]});
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "exec1"},
        "spec": {"containers": [up("base"), up("two")]},
    }));
    let params = PostParams::default();
    server.pods.create(&params, &pod.unwrap()).await.unwrap();
    until(&server.pods, "exec1", |pod| phase(pod) == "Running").await;
    let mut different = Vec::new();
    for case in &cases {
        let about = case["case"].as_str().unwrap();
        if about.starts_with(ELSEWHERE) {
            continue;
        }
        let line = case["status_line"].as_str().unwrap();
        let wanted_code: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
        let wanted = Talk::recorded(case["frames"].as_array().unwrap()).essence();
        let (mut code, mut found) = server.talk(case).await;
        if about.starts_with("check of the former") {
            // The command that was left alone takes its time.
            let made = async {
                while !found.said.contains_key(&1) || found.said[&1].is_empty() {
                    (code, found) = server.talk(case).await;
                }
            };
            tokio::time::timeout(PATIENCE, made).await.unwrap();
        }
        let found = found.essence();
        if (code, &found) != (wanted_code, &wanted) {
            different.push(format!(
                "{about}\n  wanted {wanted_code} {wanted:?}\n  found  {code} {found:?}"
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
