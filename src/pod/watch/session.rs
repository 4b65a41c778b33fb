//! Keeps one watch open: the first list, the stream, and every way in which it can end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::board::{Board, Origin};
use super::counts::{Counters, count};
use super::settings::WatchSettings;
use super::stream::{EventStream, WatchEvent};
use crate::pod::client::{ApiError, ApiRequest, Backoff, ClusterClient};
use crate::pod::observe::PodView;

/// How many pods one page of a list holds at most.
const PAGE: &str = "500";

/// A watch that lived so long has worked: what failed before is forgotten.
const LIVED: Duration = Duration::from_secs(10);

/// One namespace's watch, to be run as a task.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) client: ClusterClient,
    pub(super) namespace: String,
    pub(super) selector: String,
    pub(super) settings: WatchSettings,
    pub(super) board: Arc<Board>,
    pub(super) counters: Arc<Counters>,
    /// The version to go on from; none before the first list and when it is too old.
    resume: Option<String>,
    /// Whether the server can begin a watch with what is there. Older ones cannot.
    streams_lists: bool,
    /// When the whole list is due again.
    relist_at: Instant,
}

/// How an open watch came to its end.
#[derive(Debug, PartialEq, Eq)]
enum SessionEnd {
    /// The server ended it, as it does from time to time.
    Ended,
    /// Nothing was heard for too long.
    Silent,
    /// The version to go on from is too old.
    Expired,
    /// The server does not begin a watch with what is there.
    NoFirstList,
}

impl Session {
    pub(super) fn new(
        client: ClusterClient,
        namespace: String,
        selector: String,
        settings: WatchSettings,
        board: Arc<Board>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            relist_at: Instant::now() + settings.relist_every,
            client,
            namespace,
            selector,
            settings,
            board,
            counters,
            resume: None,
            streams_lists: true,
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.settings.shortest_wait, self.settings.longest_wait);
        loop {
            let began = Instant::now();
            let outcome = self.watch_once().await;
            if began.elapsed() > LIVED {
                backoff.reset();
            }
            // A server or proxy that ends each watch at once must not be asked in a loop.
            let short = began.elapsed() < Duration::from_secs(1);
            let wait = match outcome {
                Ok(SessionEnd::NoFirstList) => {
                    tracing::debug!(namespace = %self.namespace, "the server does not stream lists");
                    self.streams_lists = false;
                    None
                }
                Ok(SessionEnd::Expired) => {
                    self.resume = None;
                    short.then(|| backoff.next(rand::random(), None))
                }
                Ok(SessionEnd::Silent) => {
                    tracing::warn!(namespace = %self.namespace, "the watch was silent, opening it again");
                    None
                }
                Ok(SessionEnd::Ended) => short.then(|| backoff.next(rand::random(), None)),
                Err(error) => {
                    count(&self.counters.errors);
                    if error.is_expired() {
                        self.resume = None;
                    }
                    let wait = backoff.next(rand::random(), error.retry_after());
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(namespace = %self.namespace, %error, source, ?wait, "the watch failed");
                    self.board.set_trouble(Some(error.to_string()));
                    Some(wait)
                }
            };
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
            if Instant::now() >= self.relist_at {
                self.resume = None;
            }
        }
    }

    /// Opens the watch and follows it to its end.
    async fn watch_once(&mut self) -> Result<SessionEnd, ApiError> {
        if self.resume.is_none() && !self.streams_lists {
            self.resume = Some(self.list_all().await?);
            self.relist_at = Instant::now() + self.settings.relist_every;
        }
        let asked = self.watch_request();
        let mut first_list = self.resume.is_none().then(HashSet::new);
        count(&self.counters.requests);
        let body = match self.client.open(&asked).await {
            Ok((_, body)) => body,
            Err(error) if first_list.is_some() && error.is_invalid() => {
                return Ok(SessionEnd::NoFirstList);
            }
            Err(error) => return Err(error),
        };
        if first_list.is_none() {
            count(&self.counters.reopens);
            self.board.set_trouble(None);
        }
        let mut events = EventStream::new(asked, body);
        loop {
            let patience = if first_list.is_some() {
                self.settings.first_silence
            } else {
                self.settings.silence
            };
            let event = match timeout(patience, events.next()).await {
                Ok(event) => event?,
                Err(_) if first_list.is_some() => return Ok(SessionEnd::NoFirstList),
                Err(_) => return Ok(SessionEnd::Silent),
            };
            let Some(event) = event else {
                return Ok(if first_list.is_some() {
                    SessionEnd::NoFirstList
                } else {
                    SessionEnd::Ended
                });
            };
            match event {
                WatchEvent::Is(pod) => {
                    count(&self.counters.events);
                    let seen = pod.into_observation();
                    match &mut first_list {
                        Some(listed) => {
                            listed.insert(seen.identity.uid.clone());
                        }
                        None => self.resume = Some(seen.resource_version.clone()),
                    }
                    self.board.apply(seen, Origin::Watch);
                }
                WatchEvent::Left(pod) => {
                    count(&self.counters.events);
                    let deleted = pod.metadata.deletion_timestamp.is_some();
                    let seen = pod.into_observation();
                    match &mut first_list {
                        Some(listed) => {
                            listed.remove(&seen.identity.uid);
                        }
                        None => self.resume = Some(seen.resource_version.clone()),
                    }
                    if deleted {
                        self.board.apply(seen.into_gone(), Origin::Watch);
                    } else {
                        self.board.left(seen);
                    }
                }
                WatchEvent::Bookmark { version, all_told } => {
                    count(&self.counters.bookmarks);
                    if all_told && let Some(listed) = first_list.take() {
                        count(&self.counters.relists);
                        self.board.end_list(&listed, &version);
                        self.board.set_trouble(None);
                        self.relist_at = Instant::now() + self.settings.relist_every;
                    }
                    if first_list.is_none() && !version.is_empty() {
                        self.resume = Some(version);
                    }
                }
                WatchEvent::Unreadable { version, source } => {
                    count(&self.counters.errors);
                    tracing::warn!(namespace = %self.namespace, %version, error = %source,
                        "an event about a pod cannot be read");
                    if first_list.is_none() && !version.is_empty() {
                        self.resume = Some(version);
                    }
                }
                WatchEvent::Refused(refusal) if refusal.code == 410 => {
                    return Ok(SessionEnd::Expired);
                }
                WatchEvent::Refused(refusal) => {
                    return Err(ApiError::Refused {
                        request: format!("watch the pods of {}", self.namespace),
                        refusal: Box::new(refusal),
                    });
                }
            }
            if first_list.is_none() && Instant::now() >= self.relist_at {
                self.resume = None;
                return Ok(SessionEnd::Ended);
            }
        }
    }

    fn watch_request(&self) -> ApiRequest {
        // Watches that were opened together should not end together.
        let server_timeout = self
            .settings
            .server_timeout
            .mul_f64(rand::random_range(0.8..1.0));
        let seconds = server_timeout.as_secs().max(1).to_string();
        let mut query = vec![
            ("watch", "1"),
            ("labelSelector", self.selector.as_str()),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", seconds.as_str()),
        ];
        match &self.resume {
            Some(version) => query.push(("resourceVersion", version)),
            None => {
                query.push(("sendInitialEvents", "true"));
                query.push(("resourceVersionMatch", "NotOlderThan"));
            }
        }
        ApiRequest::get(
            ApiRequest::path(
                &["api", "v1", "namespaces", &self.namespace, "pods"],
                &query,
            ),
            format!("watch the pods of {}", self.namespace),
        )
    }

    /// Reads the whole list, page by page, and gives its version. Without a version in the
    /// request it is the newest state: an old one would make pods vanish that are new.
    pub(super) async fn list_all(&self) -> Result<String, ApiError> {
        let mut listed = HashSet::new();
        let mut version = String::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = vec![("labelSelector", self.selector.as_str()), ("limit", PAGE)];
            if let Some(token) = &next {
                query.push(("continue", token));
            }
            let asked = ApiRequest::get(
                ApiRequest::path(
                    &["api", "v1", "namespaces", &self.namespace, "pods"],
                    &query,
                ),
                format!("list the pods of {}", self.namespace),
            );
            count(&self.counters.requests);
            let page: PodPage = self.client.read(&asked).await?;
            if version.is_empty() {
                version = page.metadata.resource_version.unwrap_or_default();
            }
            for pod in page.items.into_iter().flatten() {
                let seen = pod.into_observation();
                listed.insert(seen.identity.uid.clone());
                self.board.apply(seen, Origin::Watch);
            }
            next = page.metadata.continue_.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        count(&self.counters.relists);
        self.board.end_list(&listed, &version);
        Ok(version)
    }
}

/// A page of a list of pods.
#[derive(Deserialize)]
pub(super) struct PodPage {
    #[serde(default)]
    metadata: PageMeta,
    pub(super) items: Option<Vec<PodView>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageMeta {
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_: Option<String>,
}
