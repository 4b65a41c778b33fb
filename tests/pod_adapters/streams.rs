//! The small API server's streams: logs and watches, with the ways in which they fail.

use std::collections::{BTreeMap, VecDeque};

use axum::body::{Body, Bytes};
use axum::response::Response;
use serde_json::{Value, json};

use crate::answer::{matches, status};
use crate::api::{Log, Shared};

pub(crate) fn serve_log(log: &Log, since: &str, follow: bool) -> Response {
    // Whole seconds decide, and text compares as time does.
    let since = since.trim_end_matches('Z');
    let mut body = Vec::new();
    for line in log.bytes.split_inclusive(|byte| *byte == b'\n') {
        let second = &line[..line.len().min(19)];
        if second >= since.as_bytes() {
            body.extend_from_slice(line);
        }
    }
    type Piece = Result<Bytes, std::io::Error>;
    let mut pieces: Vec<Piece> = Vec::new();
    let cut = log.break_after.unwrap_or(usize::MAX).min(body.len());
    for piece in body[..cut].chunks(1000) {
        pieces.push(Ok(Bytes::copy_from_slice(piece)));
    }
    if log.break_after.is_some() {
        pieces.push(Err(std::io::Error::other("broken on purpose")));
    }
    let hang = follow && log.hang;
    let stream = async_stream(pieces, hang);
    Response::builder()
        .header("content-type", "text/plain")
        .body(Body::from_stream(stream))
        .unwrap()
}

fn async_stream(
    pieces: Vec<Result<Bytes, std::io::Error>>,
    hang: bool,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    use futures::StreamExt;
    let told = futures::stream::iter(pieces).then(|piece| async {
        // Each piece is sent on its own, because a server flushes what it has when there is no more
        // for the moment: an error must not overtake what came before it.
        tokio::task::yield_now().await;
        piece
    });
    let rest = if hang {
        futures::stream::pending().left_stream()
    } else {
        futures::stream::empty().right_stream()
    };
    told.chain(rest)
}

pub(crate) fn watch(shared: Shared, query: BTreeMap<String, String>) -> Response {
    struct Going {
        shared: Shared,
        selector: String,
        number: u64,
        next: u64,
        ready: VecDeque<Value>,
        over: bool,
    }
    let selector = query.get("labelSelector").cloned().unwrap_or_default();
    let mut ready = VecDeque::new();
    let mut inner = shared.inner.lock().unwrap();
    inner.watches_opened += 1;
    let number = inner.watches_opened;
    let mut over = false;
    let from = query
        .get("resourceVersion")
        .map(|version| version.parse::<u64>().unwrap());
    let next = match from {
        Some(version) if version + 1 < inner.compacted => {
            over = true;
            ready
                .push_back(json!({"type": "ERROR", "object": status(410, "Expired", Value::Null)}));
            version
        }
        Some(version) => version,
        None => {
            for pod in inner.pods.values().filter(|pod| matches(pod, &selector)) {
                ready.push_back(json!({"type": "ADDED", "object": pod}));
            }
            ready.push_back(json!({"type": "BOOKMARK", "object": {
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {
                    "resourceVersion": inner.version.to_string(),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                },
                "spec": {"containers": null}, "status": {},
            }}));
            inner.version
        }
    };
    drop(inner);
    let going = Going {
        shared,
        selector,
        number,
        next,
        ready,
        over,
    };
    let stream = futures::stream::unfold(going, |mut going| async move {
        loop {
            if let Some(event) = going.ready.pop_front() {
                return Some((
                    Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n"))),
                    going,
                ));
            }
            if going.over {
                return None;
            }
            let changed = going.shared.changed.clone();
            let changed = changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let inner = going.shared.inner.lock().unwrap();
                if going.number < inner.broken_before {
                    going.over = true;
                    return Some((Err(std::io::Error::other("broken on purpose")), {
                        drop(inner);
                        going
                    }));
                }
                if !inner.mute && going.number >= inner.lost_before {
                    for happened in &inner.history {
                        if happened.version > going.next
                            && (happened.kind == "BOOKMARK"
                                || matches(&happened.pod, &going.selector))
                        {
                            going
                                .ready
                                .push_back(json!({"type": happened.kind, "object": happened.pod}));
                        }
                    }
                    going.next = inner.version;
                }
            }
            if going.ready.is_empty() {
                changed.await;
            }
        }
    });
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from_stream(stream))
        .unwrap()
}
