//! One read of a container's log, batch by batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::StatusCode;
use http_body_util::{BodyDataStream, BodyExt};
use kube::client::Body;
use tokio::sync::OwnedSemaphorePermit;

use super::filter::{CursorFilter, Passed, advance};
use super::request::{LogBatch, LogEnd, LogLimits, LogOpening, LogRequest, LogStep};
use super::split::LineSplitter;
use super::stamp::since_time;
use crate::pod::client::{ApiError, ApiRequest, ClusterClient, not_answered};
use crate::pod::lifecycle::get_same;
use crate::task::log::{LineKind, LogCursor, LogLine};

/// How long a follow stream may rest before what it brought is handed on.
const QUIET: Duration = Duration::from_millis(50);

const GAP: &str = "lines may be missing here: the node no longer has the part of the log that \
                   would follow the last line";
const RESTARTED: &str = "lines may be missing here: the container was started again before its \
                         former log was read to the end";

/// Opens a log.
///
/// # Errors
///
/// Any refusal but 400 and 404, and what did not pass within a few attempts.
pub async fn open(client: &ClusterClient, request: &LogRequest) -> Result<LogOpening, ApiError> {
    open_as(client, request, false).await
}

pub(super) async fn open_as(
    client: &ClusterClient,
    request: &LogRequest,
    follow: bool,
) -> Result<LogOpening, ApiError> {
    let pod = &request.pod;
    let mut cursor = request.cursor.clone();
    let mut restarted = None;
    if cursor.container_id != request.container_id {
        if cursor.stamp_ns > 0 && !cursor.complete {
            restarted = Some(cursor.stamp_ns);
        }
        cursor = LogCursor {
            container_id: request.container_id.clone(),
            ..LogCursor::default()
        };
    }
    let since = since_time(cursor.stamp_ns);
    let mut query = vec![
        ("container", request.container.as_str()),
        ("timestamps", "true"),
    ];
    if let Some(since) = &since {
        query.push(("sinceTime", since));
    }
    if follow {
        query.push(("follow", "true"));
    }
    if request.previous {
        query.push(("previous", "true"));
    }
    let asked = ApiRequest::get(
        ApiRequest::path(
            &[
                "api",
                "v1",
                "namespaces",
                &pod.namespace,
                "pods",
                &pod.name,
                "log",
            ],
            &query,
        ),
        format!(
            "read the log of {}/{} ({})",
            pod.namespace, pod.name, request.container
        ),
    );
    // A log that is followed has a worker to itself anyway, and must not hold up those that are
    // read in a moment.
    let turn = if follow {
        None
    } else {
        client.may_read_log().await
    };
    let (status, body) = match client.retrying(|| client.open(&asked)).await {
        Ok(answer) => answer,
        Err(error) if error.is_not_found() => return Ok(LogOpening::Gone),
        Err(error) => {
            return match error.refusal() {
                Some(refusal) if refusal.code == 400 => Ok(LogOpening::Unavailable {
                    message: refusal.message.clone(),
                }),
                _ => Err(error),
            };
        }
    };
    if status == StatusCode::NO_CONTENT {
        return Ok(LogOpening::NotScheduled);
    }
    // Asked after the log was opened: a uid never comes back, so the log is this pod's.
    if request.check_identity && get_same(client, pod).await?.is_none() {
        return Ok(LogOpening::Gone);
    }
    Ok(LogOpening::Reading(Box::new(LogReader::new(
        asked, body, request, cursor, restarted, follow, turn,
    ))))
}

/// A log that is being read.
pub struct LogReader {
    asked: ApiRequest,
    body: BodyDataStream<Body>,
    container: Arc<str>,
    limits: LogLimits,
    ended: bool,
    follow: bool,
    splitter: LineSplitter,
    filter: CursorFilter,
    ready: VecDeque<Passed>,
    batch: LogBatch,
    batch_bytes: usize,
    taken_bytes: u64,
    /// The permit to read, which a log that is followed does not need.
    _turn: Option<OwnedSemaphorePermit>,
    /// Set once nothing more will come; handed on after what is ready.
    outcome: Option<Result<LogEnd, ApiError>>,
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader")
            .field("asked", &self.asked.words)
            .field("cursor", &self.batch.cursor)
            .finish_non_exhaustive()
    }
}

impl LogReader {
    fn new(
        asked: ApiRequest,
        body: Body,
        request: &LogRequest,
        cursor: LogCursor,
        restarted: Option<i64>,
        follow: bool,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let mut reader = Self {
            asked,
            body: body.into_data_stream(),
            container: request.container.as_str().into(),
            limits: request.limits,
            ended: request.ended && !follow,
            follow,
            splitter: LineSplitter::new(request.limits.line_bytes),
            filter: CursorFilter::new(&cursor),
            ready: VecDeque::new(),
            batch: LogBatch {
                lines: Vec::new(),
                cursor,
            },
            batch_bytes: 0,
            taken_bytes: 0,
            _turn: turn,
            outcome: None,
        };
        if let Some(stamp_ns) = restarted {
            reader.remark(RESTARTED, stamp_ns, LineKind::Gap);
        }
        reader
    }

    /// The next lines, or the end. After an error or an end it is over.
    ///
    /// A future that is dropped half way loses nothing: the next call goes on.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the server is silent too long; all lines that came before
    /// have been handed on by then.
    pub async fn next(&mut self) -> Result<LogStep, ApiError> {
        loop {
            if self.fill_batch() {
                return Ok(LogStep::Batch(self.take_batch()));
            }
            match self.outcome.take() {
                Some(Ok(LogEnd::Complete)) if !self.batch.cursor.complete => {
                    self.batch.cursor.complete = true;
                    self.outcome = Some(Ok(LogEnd::Complete));
                    return Ok(LogStep::Batch(self.take_batch()));
                }
                Some(outcome) if self.batch.lines.is_empty() => return outcome.map(LogStep::End),
                Some(outcome) => {
                    self.outcome = Some(outcome);
                    return Ok(LogStep::Batch(self.take_batch()));
                }
                None => {}
            }
            let resting = self.follow && !self.batch.lines.is_empty();
            let patience = if resting { QUIET } else { self.limits.silence };
            match tokio::time::timeout(patience, self.body.next()).await {
                Ok(Some(Ok(bytes))) => self.take_bytes(&bytes),
                Ok(Some(Err(error))) => self.outcome = Some(Err(not_answered(&self.asked, error))),
                Ok(None) => self.take_end(),
                Err(_) if resting => return Ok(LogStep::Batch(self.take_batch())),
                Err(_) if self.follow => self.outcome = Some(Ok(LogEnd::Stalled)),
                Err(_) => {
                    self.outcome = Some(Err(ApiError::TimedOut {
                        request: self.asked.words.clone(),
                        after: patience,
                    }));
                }
            }
        }
    }

    /// How far the log is read once all batches so far are kept.
    #[must_use]
    pub fn cursor(&self) -> &LogCursor {
        &self.batch.cursor
    }

    fn take_bytes(&mut self, bytes: &[u8]) {
        let Self {
            splitter,
            filter,
            ready,
            ..
        } = self;
        if let Err(words) = splitter.push(bytes, |line| filter.push(line, ready)) {
            self.outcome = Some(Ok(LogEnd::NotALog { text: words.text }));
        }
    }

    fn take_end(&mut self) {
        self.outcome = Some(Ok(match self.splitter.finish() {
            Err(words) => LogEnd::NotALog { text: words.text },
            Ok(tail) if self.ended => {
                if let Some(line) = tail {
                    self.filter.push(line, &mut self.ready);
                }
                self.filter.finish(true, &mut self.ready);
                LogEnd::Complete
            }
            // An unfinished line is left alone: its stamp is that of its end.
            Ok(_) => {
                self.filter.finish(false, &mut self.ready);
                LogEnd::CaughtUp
            }
        }));
    }

    /// Moves what is ready into the batch. Says whether the batch is full.
    fn fill_batch(&mut self) -> bool {
        loop {
            let gap_last = matches!(
                self.batch.lines.last(),
                Some(LogLine {
                    kind: LineKind::Gap,
                    ..
                })
            );
            let full = self.batch.lines.len() >= self.limits.batch_lines
                || self.batch_bytes >= self.limits.batch_bytes;
            // A mark must be stored together with the line behind it: only lines move the cursor,
            // and a mark alone would be made again.
            if full && !gap_last {
                return true;
            }
            let Some(passed) = self.ready.pop_front() else {
                return false;
            };
            match passed {
                Passed::Gap => self.remark(GAP, self.batch.cursor.stamp_ns, LineKind::Gap),
                Passed::Line(line) => {
                    let bytes = line.text.len() as u64;
                    // One line at least: the next read must not stand where this one began.
                    if let Some(max) = self.limits.max_bytes
                        && self.taken_bytes > 0
                        && self.taken_bytes + bytes > max
                    {
                        let words = format!(
                            "one read brings no more than {max} bytes of the log (read_bytes in [task_log]); it goes on with the next"
                        );
                        let stamp_ns = self.batch.cursor.stamp_ns;
                        self.remark(&words, stamp_ns, LineKind::Event);
                        self.ready.clear();
                        self.outcome = Some(Ok(LogEnd::CapReached));
                        return false;
                    }
                    self.taken_bytes += bytes;
                    self.batch_bytes += line.text.len();
                    advance(&mut self.batch.cursor, line.stamp_ns);
                    self.batch.lines.push(LogLine {
                        container: Arc::clone(&self.container),
                        stamp_ns: line.stamp_ns,
                        text: line.text,
                        kind: LineKind::Output,
                    });
                }
            }
        }
    }

    fn remark(&mut self, words: &str, stamp_ns: i64, kind: LineKind) {
        self.batch.lines.push(LogLine {
            container: Arc::clone(&self.container),
            stamp_ns,
            text: words.to_owned().into(),
            kind,
        });
    }

    fn take_batch(&mut self) -> LogBatch {
        self.batch_bytes = 0;
        LogBatch {
            lines: std::mem::take(&mut self.batch.lines),
            cursor: self.batch.cursor.clone(),
        }
    }
}
