//! A watch's body: one JSON object a line.

use futures::StreamExt;
use http_body_util::{BodyDataStream, BodyExt};
use kube::client::Body;
use serde::Deserialize;
use serde_json::Value;

use crate::pod::client::{ApiError, ApiRequest, Refusal, not_answered};
use crate::pod::observe::{PodObservation, PodView};

/// No object of the API is larger than 1.5 MiB in the server's own store.
const LONGEST_LINE: usize = 8 << 20;

/// One event of a watch.
#[derive(Debug)]
pub(super) enum WatchEvent {
    /// The pod is there, new or changed.
    Is(PodView),
    /// The pod has left what is watched: it is gone, or its labels have changed.
    Left(PodView),
    /// Nothing has happened up to that version.
    Bookmark {
        version: String,
        /// Every pod that was there at the beginning has been told.
        all_told: bool,
    },
    /// The watch ends, and why.
    Refused(Refusal),
    /// The event is about an object that cannot be read. It must not hide those behind it.
    Unreadable {
        version: String,
        source: serde_json::Error,
    },
}

/// The events of an open watch.
pub(super) struct EventStream {
    asked: ApiRequest,
    body: BodyDataStream<Body>,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// How far the buffer has been searched for a newline.
    searched: usize,
}

impl EventStream {
    pub(super) fn new(asked: ApiRequest, body: Body) -> Self {
        Self {
            asked,
            body: body.into_data_stream(),
            buffer: Vec::new(),
            start: 0,
            searched: 0,
        }
    }

    /// The next event; `None` when the server has ended the watch. A future that is dropped loses
    /// nothing.
    pub(super) async fn next(&mut self) -> Result<Option<WatchEvent>, ApiError> {
        loop {
            if let Some(at) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let end = self.searched + at;
                let line = &self.buffer[self.start..end];
                let event = (!line.iter().all(u8::is_ascii_whitespace))
                    .then(|| self.parse(line))
                    .transpose();
                self.start = end + 1;
                self.searched = self.start;
                match event? {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.searched = self.buffer.len();
            if self.buffer.len() > LONGEST_LINE {
                return Err(ApiError::Unsendable {
                    request: self.asked.words.clone(),
                    problem: format!("an event is longer than {LONGEST_LINE} bytes"),
                });
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(not_answered(&self.asked, error)),
                // A last line without a newline was cut off: the reopened watch brings it again.
                None => return Ok(None),
            }
        }
    }

    fn parse(&self, line: &[u8]) -> Result<WatchEvent, ApiError> {
        parse(line).map_err(|source| ApiError::Unreadable {
            request: self.asked.words.clone(),
            source,
        })
    }
}

#[derive(Deserialize)]
struct Line<T> {
    #[serde(rename = "type")]
    kind: Kind,
    object: T,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

/// What one line of a watch shows of its pod; nothing for a bookmark or an error.
///
/// # Errors
///
/// When the line is no event of a watch.
pub fn observation_in(line: &[u8]) -> Result<Option<PodObservation>, serde_json::Error> {
    Ok(match parse(line)? {
        WatchEvent::Is(pod) | WatchEvent::Left(pod) => Some(pod.into_observation()),
        WatchEvent::Bookmark { .. } | WatchEvent::Refused(_) | WatchEvent::Unreadable { .. } => {
            None
        }
    })
}

fn parse(line: &[u8]) -> Result<WatchEvent, serde_json::Error> {
    let Line { kind, object } = match serde_json::from_slice::<Line<PodView>>(line) {
        Ok(parsed) => parsed,
        // The object of an error is a Status, whose `status` is no pod's.
        Err(source) => {
            let Line { kind, object } = serde_json::from_slice::<Line<Value>>(line)?;
            if kind == Kind::Error {
                return Ok(refused(&object));
            }
            let version = object["metadata"]["resourceVersion"].as_str();
            return Ok(WatchEvent::Unreadable {
                version: version.unwrap_or_default().to_owned(),
                source,
            });
        }
    };
    Ok(match kind {
        Kind::Added | Kind::Modified => WatchEvent::Is(object),
        Kind::Deleted => WatchEvent::Left(object),
        Kind::Bookmark => WatchEvent::Bookmark {
            all_told: object
                .metadata
                .annotations
                .and_then(|annotations| annotations.initial_events_end)
                .is_some_and(|value| value == "true"),
            version: object.metadata.resource_version.unwrap_or_default(),
        },
        Kind::Error => refused(&serde_json::from_slice::<Line<Value>>(line)?.object),
    })
}

fn refused(status: &Value) -> WatchEvent {
    WatchEvent::Refused(
        Refusal::from_status(status.to_string().as_bytes()).unwrap_or_else(|| Refusal {
            code: 500,
            message: "the watch was ended without a reason".to_owned(),
            ..Refusal::default()
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_events_are_told_apart() {
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"2001"},"spec":{"containers":null},"status":{}}}"#;
        assert!(matches!(
            parse(bookmark.as_bytes()).unwrap(),
            WatchEvent::Bookmark { version, all_told: false } if version == "2001"
        ));
        let mark = r#"{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}},"spec":{"containers":null},"status":{}}}"#;
        assert!(matches!(
            parse(mark.as_bytes()).unwrap(),
            WatchEvent::Bookmark { all_told: true, .. }
        ));
        let expired = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (744)","reason":"Expired","code":410}}"#;
        assert!(matches!(
            parse(expired.as_bytes()).unwrap(),
            WatchEvent::Refused(refusal) if refusal.code == 410 && refusal.reason == "Expired"
        ));
        let odd = r#"{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"9"},"status":{"startTime":"yesterday"}}}"#;
        assert!(matches!(
            parse(odd.as_bytes()).unwrap(),
            WatchEvent::Unreadable { version, .. } if version == "9"
        ));
        assert!(parse(b"{\"type\":\"ADDED\"}").is_err());
        assert!(parse(b"not json").is_err());
    }
}
