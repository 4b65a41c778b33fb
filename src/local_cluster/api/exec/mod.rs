//! Running a command in a container on a client's behalf, over a WebSocket.

mod protocol;
mod session;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use self::protocol::Protocol;
use self::session::Command;
use super::logs::container;
use super::query::Query;
use super::refusal::Refusal;
use super::serve::Api;
use crate::local_cluster::node::{ExecRefusal, ExecRequest};
use crate::local_cluster::objects::ObjectKey;

/// Answers a request to run a command. All that can be refused is refused before the connection
/// becomes a WebSocket; what goes wrong after that is told on the command's error channel.
pub(crate) async fn respond(
    api: &Arc<Api>,
    key: &ObjectKey,
    parts: &mut Parts,
) -> Result<Response, Refusal> {
    let query_text = parts.uri.query().unwrap_or_default().to_owned();
    let query = Query::parse(&query_text);
    let pod = api
        .objects
        .get(key)
        .ok_or_else(|| Refusal::not_found("pods", &key.name))?;
    let container = container(&pod, &key.name, query.text("container"))?;
    if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::bad_request(format!(
            "pod {} does not have a host assigned",
            key.name
        )));
    }
    if !parts.headers.contains_key(header::UPGRADE) {
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    if parts.method != Method::GET {
        return Err(Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "bad method"));
    }
    let request = ExecRequest {
        command: Query::all_of(&query_text, "command"),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
    };
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(Refusal::plain(
            StatusCode::BAD_REQUEST,
            "you must specify at least 1 of stdin, stdout, stderr",
        ));
    }
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &())
        .await
        .map_err(|why| Refusal::bad_request(why.to_string()))?;
    let Some(protocol) = Protocol::choose(&upgrade) else {
        return Ok((
            StatusCode::FORBIDDEN,
            [(header::CONNECTION, HeaderValue::from_static("close"))],
        )
            .into_response());
    };
    let command = if request.command.is_empty() {
        Command::Failed("there is no command to run".to_owned())
    } else {
        let started = if query.flag("tty") {
            api.node.exec_on_terminal(&pod, &container, &request)
        } else {
            api.node.exec(&pod, &container, &request)
        };
        match started {
            Ok(session) => Command::Runs(Box::new(session)),
            Err(refusal @ ExecRefusal::NotRunning(_)) => {
                return Err(Refusal::plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    refusal.to_string(),
                ));
            }
            Err(refusal @ ExecRefusal::Unreachable(_)) => {
                return Err(Refusal::internal(refusal.to_string()));
            }
            Err(refusal @ (ExecRefusal::Unsupported(_) | ExecRefusal::Machine(_))) => {
                Command::Failed(refusal.to_string())
            }
        }
    };
    let (stopping, node) = (api.stopping.clone(), api.node.clone());
    let mut upgrade = upgrade;
    if let Some(name) = protocol.name() {
        upgrade.set_selected_protocol(HeaderValue::from_static(name));
    }
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            () = session::run(socket, protocol, command, request) => {}
            () = stopping.cancelled() => {}
            () = node.lost() => {}
        }
    }))
}
