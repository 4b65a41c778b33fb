//! The built-in callback: a small JSON document to a web server for each event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Map, Value, json};

use super::moments::{PodTold, TaskTold};
use super::post::{Address, Post};
use super::registry::CallbackLimits;
use super::told::{LinesTold, Told};
use super::{CallbackError, CallbackResult};
use crate::clock::Timestamp;
use crate::pod::client::Backoff;
use crate::pod::observe::{PodVerdict, judge};
use crate::task::file::{CallbackEvent, Webhook as WebhookFile};

/// The first wait between two tries, and the longest; a server's own wish counts up to that.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A web server that is told.
#[derive(Clone)]
pub struct Webhook {
    address: Address,
    events: Vec<CallbackEvent>,
    post: Post,
    limits: CallbackLimits,
    /// It failed in this step already: one try has to do, so that a dead server costs little.
    sore: Arc<AtomicBool>,
}

/// Why a webhook of a task file cannot be used. Header values are never in the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// Not an address.
    #[error("the webhook's url must begin with http:// or https:// and name a host")]
    Url,
    /// The address holds credentials, which would be shown with it.
    #[error("the webhook's url must not hold a user name or a password: use headers")]
    Credentials,
    /// Not a header.
    #[error(
        "the webhook's header {0:?} cannot be sent: a name is letters, digits and dashes, a value one line of text"
    )]
    Header(
        /// Its name.
        String,
    ),
}

impl Webhook {
    pub fn new(
        file: &WebhookFile,
        post: &Post,
        limits: CallbackLimits,
    ) -> Result<Self, WebhookFault> {
        let uri: Uri = file.url.parse().map_err(|_| WebhookFault::Url)?;
        let scheme = uri.scheme();
        if scheme != Some(&Scheme::HTTP) && scheme != Some(&Scheme::HTTPS) {
            return Err(WebhookFault::Url);
        }
        let authority = uri.authority().ok_or(WebhookFault::Url)?;
        if authority.as_str().contains('@') {
            return Err(WebhookFault::Credentials);
        }
        if authority.host().is_empty() {
            return Err(WebhookFault::Url);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &file.headers {
            let fault = || WebhookFault::Header(name.clone());
            let parsed = HeaderName::try_from(name.as_str()).map_err(|_| fault())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| fault())?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        Ok(Self {
            address: Address { uri, headers },
            events: file.events.clone(),
            post: post.clone(),
            limits,
            sore: Arc::default(),
        })
    }

    /// Where it is, as far as may be shown: the path and the query may be secrets.
    pub fn place(&self) -> String {
        let uri = &self.address.uri;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        format!("the webhook {scheme}://{authority}")
    }

    /// Whether it wants to be told of such events. Log lines have to be asked for.
    pub fn wants(&self, event: CallbackEvent) -> bool {
        if self.events.is_empty() {
            event != CallbackEvent::ProgressCallback
        } else {
            self.events.contains(&event)
        }
    }

    /// Posts the event; tries again what may pass by itself.
    pub async fn tell(&self, told: &Told, at: Timestamp) -> CallbackResult {
        let document = Bytes::from(document(told, at).to_string());
        let tries = if self.sore.load(Ordering::Relaxed) {
            1
        } else {
            self.limits.webhook_tries.max(1)
        };
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for left in (0..tries).rev() {
            let limit = self.limits.webhook_request;
            let Err(error) = self.post.send(&self.address, document.clone(), limit).await else {
                self.sore.store(false, Ordering::Relaxed);
                return Ok(());
            };
            if left == 0 || !error.retryable() {
                self.sore.store(true, Ordering::Relaxed);
                return Err(CallbackError::from(error));
            }
            let wait = backoff.next(rand::random(), error.retry_after());
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
        Ok(())
    }
}

/// What is posted. Its fields are a contract: add to them, rename none.
fn document(told: &Told, at: Timestamp) -> Value {
    let mut document = Map::new();
    document.insert("event".to_owned(), told.event().as_str().into());
    document.insert("at".to_owned(), json!(at));
    document.insert("task".to_owned(), task(told.task()));
    match told {
        Told::SyncClient(told) | Told::AsyncClient(told) => {
            document.insert("connection".to_owned(), told.connection.name.clone().into());
        }
        Told::ManifestCreated(built) => {
            let pod = json!({"namespace": built.namespace, "name": built.name});
            document.insert("pod".to_owned(), pod);
        }
        Told::Creation(told)
        | Told::Starting(told)
        | Told::Completion(told)
        | Told::Teardown(told) => pod(&mut document, told),
        Told::Cleanup(told) => {
            pod(&mut document, &told.pod);
            let action = told.action.map(|action| action.as_str());
            document.insert("outcome".to_owned(), told.outcome.as_str().into());
            document.insert("reason".to_owned(), told.reason.clone().into());
            document.insert("exit_code".to_owned(), json!(told.exit_code));
            document.insert("pod_action".to_owned(), json!(action));
        }
        Told::Resuming(told) => {
            pod(&mut document, &told.pod);
            let event = json!({
                "status": told.event.status.as_str(),
                "reason": told.event.reason,
                "at": told.event.at,
            });
            document.insert("trigger_event".to_owned(), event);
        }
        Told::Lines(told) => lines(&mut document, told),
    }
    Value::Object(document)
}

fn task(told: &TaskTold) -> Value {
    json!({
        "id": told.id,
        "key": told.key.to_string(),
        "dag_id": told.key.dag_id,
        "task_id": told.key.task_id,
        "run_id": told.key.run_id,
        "map_index": told.key.map_index,
        "try_number": told.try_number,
    })
}

fn pod(document: &mut Map<String, Value>, told: &PodTold) {
    let identity = &told.pod.identity;
    let (state, reason, exit_code) = match judge(&told.pod, &told.task.base_container) {
        PodVerdict::Pending(pending) => ("pending", Some(pending.detail), None),
        PodVerdict::Running => ("running", None, None),
        PodVerdict::Succeeded => ("succeeded", None, Some(0)),
        PodVerdict::Failed(failure) => ("failed", Some(failure.reason), failure.exit_code),
    };
    let pod = json!({
        "namespace": identity.namespace,
        "name": identity.name,
        "uid": identity.uid,
        "phase": told.pod.phase.as_str(),
        "node": told.pod.node,
        "gone": told.pod.gone,
        "state": state,
    });
    document.insert("pod".to_owned(), pod);
    document.insert(
        "reason".to_owned(),
        json!(reason.filter(|reason| !reason.is_empty())),
    );
    document.insert("exit_code".to_owned(), json!(exit_code));
}

fn lines(document: &mut Map<String, Value>, told: &LinesTold) {
    let lines: Vec<Value> = told
        .lines
        .iter()
        .map(|line| {
            json!({
                "container": line.container,
                "at": Timestamp::from_timestamp_nanos(line.stamp_ns),
                "text": String::from_utf8_lossy(&line.text),
            })
        })
        .collect();
    document.insert("pod".to_owned(), json!({"uid": told.pod_uid}));
    document.insert("lines".to_owned(), lines.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, header: (&str, &str)) -> Result<Webhook, WebhookFault> {
        let (name, value) = header;
        let file = WebhookFile {
            url: url.to_owned(),
            events: Vec::new(),
            headers: [(name.to_owned(), value.to_owned())].into(),
        };
        Webhook::new(&file, &Post::default(), CallbackLimits::default())
    }

    #[test]
    fn only_addresses_of_web_servers_are_taken() {
        let plain = ("X-Team", "data");
        for url in [
            "http://a",
            "https://hooks.example.com:8443/x?y=z",
            "http://[::1]:80/",
        ] {
            assert!(webhook(url, plain).is_ok(), "{url}");
        }
        for url in ["", "/hook", "ftp://a/b", "hooks.example.com/x", "http://"] {
            let refused = webhook(url, plain).err();
            assert_eq!(refused, Some(WebhookFault::Url), "{url}");
        }
        let refused = webhook("https://user:hunter2@a/", plain).err();
        assert_eq!(refused, Some(WebhookFault::Credentials));
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named_without_its_value() {
        for header in [("X Team", "hunter2"), ("X-Team", "hunter2\nX-Other: 1")] {
            let words = webhook("http://a", header).err().unwrap().to_string();
            assert!(words.contains(header.0), "{words}");
            assert!(!words.contains("hunter2"), "{words}");
        }
    }

    #[test]
    fn its_place_is_shown_without_path_and_query() {
        let hook = webhook("https://a.example:8443/T0/hunter2?k=hunter2", ("A", "b")).unwrap();
        assert_eq!(hook.place(), "the webhook https://a.example:8443");
    }

    #[test]
    fn log_lines_have_to_be_asked_for() {
        let hook = webhook("http://a", ("A", "b")).unwrap();
        for event in CallbackEvent::ALL {
            let lines = event == CallbackEvent::ProgressCallback;
            assert_eq!(hook.wants(event), !lines, "{event}");
        }
    }
}
