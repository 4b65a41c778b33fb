//! What can be asked for, as it is written.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::cut::cut;
use crate::local_cluster::api::refusal::Refusal;
use crate::local_cluster::node::Loss;

/// All that is asked for in one request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Orders {
    pub rules: Vec<Rule>,
    /// Watches say nothing, not even bookmarks, but stay open.
    pub silent_watches: bool,
    /// Nothing is heard from the node, and nobody reaches it.
    pub lose_node: Option<NodeLoss>,
    /// Once: open watches are cut.
    pub cut_watches: bool,
    /// Once: open watches are told that their version is too old.
    pub expire_watches: bool,
    /// Once: versions before now can no longer be watched or listed.
    pub forget_history: bool,
    /// Once: the node is back.
    pub find_node: bool,
    /// Once: the logs of these containers are put aside, so that only what comes is served.
    pub rotate_logs: Vec<PodContainer>,
    /// Once: these pods are ended as by a node that is short of memory.
    pub evict_pods: Vec<PodContainer>,
}

/// What goes wrong with some requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Verbs such as `create` or `watch`; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// A part of the path; every path if it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Which share of those requests, from 0 to 1.
    #[serde(default = "all")]
    pub share: f64,
    /// How many requests at most; no limit if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    pub fault: Fault,
}

fn all() -> f64 {
    1.0
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// The request is refused with this status and nothing is done.
    Status(Told),
    /// It takes so many milliseconds longer.
    DelayMillis(u64),
    /// The connection is cut and nothing is done.
    Cut,
    /// The request is carried out, and the connection is cut in place of the answer.
    LoseAnswer,
}

/// With which status a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// As usual: 429 and 504 come with a `Retry-After` of a second.
    Code(u16),
    /// With that `Retry-After`, or without any.
    Precisely(Precisely),
}

/// A status and how long to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Precisely {
    code: u16,
    /// Seconds.
    retry_after: Option<u64>,
}

/// How the node is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NodeLoss {
    /// After so many milliseconds its pods are gone; they stay if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_after_millis: Option<u64>,
    /// After so many milliseconds it is back; never by itself if it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    back_after_millis: Option<u64>,
}

impl From<NodeLoss> for Loss {
    fn from(loss: NodeLoss) -> Self {
        Self {
            gone_after: loss.gone_after_millis.map(Duration::from_millis),
            back_after: loss.back_after_millis.map(Duration::from_millis),
        }
    }
}

impl From<Loss> for NodeLoss {
    fn from(loss: Loss) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            gone_after_millis: loss.gone_after.map(millis),
            back_after_millis: loss.back_after.map(millis),
        }
    }
}

/// A pod, or a container of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodContainer {
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub pod: String,
    /// The pod's only one if it is absent.
    pub container: Option<String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

impl Rule {
    /// What is wrong with it.
    pub fn complaint(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.share) {
            return Some(format!("share must be from 0 to 1, and is {}", self.share));
        }
        let code = match &self.fault {
            Fault::Status(Told::Code(code)) => *code,
            Fault::Status(Told::Precisely(told)) => told.code,
            Fault::DelayMillis(_) | Fault::Cut | Fault::LoseAnswer => return None,
        };
        (!(400..600).contains(&code))
            .then(|| format!("a refusal has a status from 400 to 599, and not {code}"))
    }
}

impl Fault {
    /// What happens before the request is carried out: an answer in its place, if it is not.
    pub async fn before(&self) -> Option<Response> {
        match self {
            Self::Status(told) => Some(told.response()),
            Self::DelayMillis(millis) => {
                tokio::time::sleep(Duration::from_millis(*millis)).await;
                None
            }
            Self::Cut => Some(cut()),
            Self::LoseAnswer => None,
        }
    }

    /// What happens to the answer.
    pub fn after(&self, response: Response) -> Response {
        match self {
            Self::LoseAnswer => cut(),
            Self::Status(_) | Self::DelayMillis(_) | Self::Cut => response,
        }
    }
}

impl Told {
    fn response(&self) -> Response {
        match self {
            Self::Code(code) => Refusal::on_request(*code).into_response(),
            Self::Precisely(told) => {
                let mut refusal = Refusal::on_request(told.code);
                if let Some(seconds) = told.retry_after {
                    refusal =
                        refusal.with_details(serde_json::json!({"retryAfterSeconds": seconds}));
                }
                let mut response = refusal.into_response();
                response.headers_mut().remove(header::RETRY_AFTER);
                if let Some(seconds) = told.retry_after {
                    let value = HeaderValue::from(seconds);
                    response.headers_mut().insert(header::RETRY_AFTER, value);
                }
                response
            }
        }
    }
}
