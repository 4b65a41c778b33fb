//! Answering a watch: one JSON line for each change, until the client leaves or time is up.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, Stream, stream};
use http::header;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::faults::{Cut, WatchOrders};
use super::form::{self, Columns};
use super::list::version_fault;
use super::media::Form;
use super::query::ListOptions;
use super::refusal::Refusal;
use super::selection::Selection;
use super::serve::Api;
use super::target::Collection;
use crate::local_cluster::objects::{EventKind, Object, ObjectError, ObjectEvent, ObjectWatch};

/// Between two bookmarks.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Changes put into one piece of the body.
const BATCH: usize = 64;

/// Answers a watch.
pub(crate) fn respond(
    api: &Arc<Api>,
    collection: Collection,
    selection: Selection,
    options: &ListOptions,
    form: Form,
    include_object: Option<&str>,
) -> Result<Response, Refusal> {
    if form == Form::MetadataList {
        return Ok(body(Body::empty()));
    }
    let lines = Lines {
        collection,
        selection,
        form,
        include_object: include_object.map(str::to_owned),
    };
    let from = match options.resource_version.as_deref() {
        None | Some("0") => None,
        Some(text) => Some(
            text.parse::<u64>()
                .map_err(|_| Refusal::internal(version_fault(text)))?,
        ),
    };
    let mut first = Vec::new();
    let from = match from {
        Some(from) if !options.initial_events => from,
        Some(_) | None => {
            let resource = lines.collection.resource;
            let namespace = lines.collection.namespace.as_deref();
            let narrowed = lines
                .selection
                .narrow()
                .and_then(|narrow| api.objects.list_narrowed(resource, namespace, narrow));
            let (objects, version) =
                narrowed.unwrap_or_else(|| api.objects.list(resource, namespace));
            for object in objects.iter().filter(|object| lines.selects(object)) {
                lines.write(&mut first, "ADDED", object);
            }
            if options.initial_events && options.bookmarks {
                lines.write_bookmark(&mut first, version, true);
            }
            version
        }
    };
    let watch = match api.objects.watch(lines.collection.resource, Some(from)) {
        Ok(watch) => watch,
        Err(error) => {
            return Ok(body(Body::from(too_old(&error))));
        }
    };
    let now = Instant::now();
    let lasts = options
        .timeout_seconds
        .map_or_else(usual_timeout, Duration::from_secs);
    let end = now + lasts;
    let running = Running {
        api: Arc::clone(api),
        lines,
        watch,
        first: Some(Bytes::from(first)),
        orders: api.faults.watch_orders(),
        end,
        bookmark_at: options
            .bookmarks
            .then(|| (now + BOOKMARK_EVERY).min(last_bookmark(now, end))),
        ended: false,
    };
    Ok(body(Body::from_stream(running.into_stream())))
}

fn body(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Without a wish of the client a watch lasts half an hour to an hour, so that many clients do
/// not come back at once.
fn usual_timeout() -> Duration {
    Duration::from_secs(rand::rng().random_range(1800..3600))
}

fn last_bookmark(now: Instant, end: Instant) -> Instant {
    end.checked_sub(LAST_BOOKMARK).unwrap_or(end).max(now)
}

fn too_old(error: &ObjectError) -> Vec<u8> {
    let status = match error {
        ObjectError::Expired { requested, oldest } => Refusal::too_old(*requested, *oldest),
        ObjectError::NotFound(_)
        | ObjectError::AlreadyExists { .. }
        | ObjectError::Conflict { .. }
        | ObjectError::Malformed(_)
        | ObjectError::Storage(_) => Refusal::internal(error.to_string()),
    }
    .status();
    format!("{}\n", json!({"type": "ERROR", "object": status})).into_bytes()
}

/// How the lines of one watch are written.
struct Lines {
    collection: Collection,
    selection: Selection,
    form: Form,
    include_object: Option<String>,
}

impl Lines {
    fn selects(&self, object: &Object) -> bool {
        self.selection.matches(object)
    }

    fn write(&self, out: &mut Vec<u8>, kind: &str, object: &Object) {
        let shown = match self.form {
            Form::Whole if !self.collection.events_group => {
                write_written_line(out, kind, object.json());
                return;
            }
            Form::Whole => form::shown(&self.collection, object),
            Form::Table => Cow::Owned(
                Columns::of(self.collection.resource)
                    .single(object, self.include_object.as_deref()),
            ),
            Form::Metadata | Form::MetadataList => Cow::Owned(form::metadata(object)),
        };
        write_line(out, kind, &shown);
    }

    fn write_bookmark(&self, out: &mut Vec<u8>, version: u64, end_of_initial: bool) {
        let bookmark = form::bookmark(&self.collection, version, end_of_initial);
        match self.form {
            Form::Whole => write_line(out, "BOOKMARK", &bookmark),
            Form::Table => {
                let table = Columns::of(self.collection.resource).table(
                    bookmark["metadata"].clone(),
                    &[],
                    None,
                );
                write_line(out, "BOOKMARK", &table);
            }
            Form::Metadata | Form::MetadataList => {
                write_line(out, "BOOKMARK", &form::metadata(&bookmark));
            }
        }
    }

    /// A change as this watch sees it: coming into the selection is an addition, leaving it a
    /// deletion, whatever happened to the object.
    fn write_event(&self, out: &mut Vec<u8>, event: &ObjectEvent) {
        if let Some(namespace) = &self.collection.namespace
            && event.object.text(&["metadata", "namespace"]).as_deref() != Some(namespace)
        {
            return;
        }
        let before = event
            .previous
            .as_ref()
            .filter(|previous| self.selects(previous));
        let after = event.kind != EventKind::Deleted && self.selects(&event.object);
        match (before, after) {
            (None, true) => self.write(out, "ADDED", &event.object),
            (Some(_), true) => self.write(out, "MODIFIED", &event.object),
            (Some(_), false) if event.kind == EventKind::Deleted => {
                self.write(out, "DELETED", &event.object);
            }
            (Some(before), false) => {
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = event.version.to_string().into();
                self.write(out, "DELETED", &last.into());
            }
            (None, false) => {}
        }
    }
}

fn write_line(out: &mut Vec<u8>, kind: &str, object: &Value) {
    let mut written = Vec::new();
    form::write_json(&mut written, object);
    write_written_line(out, kind, &written);
}

fn write_written_line(out: &mut Vec<u8>, kind: &str, object: &[u8]) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
}

/// A watch that goes on.
struct Running {
    api: Arc<Api>,
    lines: Lines,
    watch: ObjectWatch,
    first: Option<Bytes>,
    orders: Receiver<WatchOrders>,
    end: Instant,
    bookmark_at: Option<Instant>,
    ended: bool,
}

impl Running {
    fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, Cut>> {
        let begun = *self.orders.borrow_and_update();
        stream::unfold(self, move |mut running| async move {
            let piece = running.next_piece_under_orders(begun).await?;
            Some((piece, running))
        })
    }

    /// The next piece, unless faults are ordered.
    async fn next_piece_under_orders(&mut self, begun: WatchOrders) -> Option<Result<Bytes, Cut>> {
        loop {
            if self.ended {
                return None;
            }
            let orders = *self.orders.borrow_and_update();
            if orders.cuts > begun.cuts {
                self.ended = true;
                return Some(Err(Cut));
            }
            if orders.expiries > begun.expiries {
                self.ended = true;
                let line = too_old(&ObjectError::Expired {
                    requested: self.watch.version(),
                    oldest: self.api.objects.version(),
                });
                return Some(Ok(Bytes::from(line)));
            }
            let mut changes = self.orders.clone();
            let stopping = self.api.stopping.clone();
            tokio::select! {
                biased;
                // The faults live as long as the API.
                _ = changes.changed() => {}
                () = stopping.cancelled() => return None,
                piece = self.next_piece(), if !orders.silent => return piece.map(Ok),
            }
        }
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take()
            && !first.is_empty()
        {
            return Some(first);
        }
        while !self.ended {
            let bookmark_at = self.bookmark_at.unwrap_or(self.end);
            let stopping = self.api.stopping.clone();
            let mut out = Vec::new();
            tokio::select! {
                biased;
                () = stopping.cancelled() => return None,
                event = self.watch.next() => match event {
                    Some(event) => self.write_batch(&mut out, event),
                    None => {
                        self.ended = true;
                        return self.watch.expired().then(|| {
                            let version = self.watch.version();
                            Bytes::from(too_old(&ObjectError::Expired {
                                requested: version,
                                oldest: self.api.objects.version(),
                            }))
                        });
                    }
                },
                () = tokio::time::sleep_until(self.end) => return None,
                () = tokio::time::sleep_until(bookmark_at), if self.bookmark_at.is_some() => {
                    self.lines.write_bookmark(&mut out, self.watch.version(), false);
                    self.plan_bookmark();
                }
            }
            if !out.is_empty() {
                return Some(Bytes::from(out));
            }
        }
        None
    }

    fn write_batch(&mut self, out: &mut Vec<u8>, first: ObjectEvent) {
        let mut events = VecDeque::from([first]);
        while events.len() < BATCH
            && let Some(Some(event)) = self.watch.next().now_or_never()
        {
            events.push_back(event);
        }
        for event in &events {
            self.lines.write_event(out, event);
        }
    }

    fn plan_bookmark(&mut self) {
        let now = Instant::now();
        let last = last_bookmark(now, self.end);
        self.bookmark_at = (last > now).then(|| (now + BOOKMARK_EVERY).min(last));
    }
}
