//! `adjourn cluster fault`: failures of the local cluster, to see what clients make of them.

use std::time::Duration;

use clap::{Args, Subcommand};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::args::Format;
use super::error::{CliError, sentence};
use super::output::{answer, print_one};
use super::situation::Situation;
use super::{exit, local};
use crate::local_cluster::process::{self, ClusterInfo};

/// Where the local cluster takes orders.
const PATH: &str = "/__adjourn/faults";

/// Let the local cluster fail, to see what its clients make of it
///
/// Only for a cluster that was started with `adjourn cluster start --faults`. Orders come to those
/// that hold already; `list` shows them, `clear` ends them all.
#[derive(Debug, Args)]
pub(super) struct FaultArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Refuse requests with a status, such as 401, 429, 500 or 503
    Status {
        /// From 400 to 599
        code: u16,
        /// Seconds for the Retry-After header; without it 429 and 504 say 1
        #[arg(long, value_name = "SECONDS")]
        retry_after: Option<u64>,
        #[command(flatten)]
        which: Which,
    },
    /// Cut the connections of requests; nothing is done
    Cut(Which),
    /// Do what is asked and cut the connection in place of the answer
    LoseAnswer(Which),
    /// Let requests take longer
    Delay {
        /// For example 500ms or 3s
        #[arg(value_parser = super::args::duration)]
        length: Duration,
        #[command(flatten)]
        which: Which,
    },
    /// Let open watches fall silent, until `clear`
    SilenceWatches,
    /// Cut the watches that are open now
    CutWatches,
    /// Tell the watches that are open now that their version is too old
    ExpireWatches,
    /// Forget the past: watches and lists of earlier versions are refused with 410
    ForgetHistory,
    /// Begin a new log for a container, as the kubelet does for one that has grown too large
    RotateLog(PodOf),
    /// End a pod as a node does that is short of memory
    Evict(PodOf),
    /// Lose the node: nothing is heard from it, its pods become Unknown
    LoseNode {
        /// Take its pods away after this long
        #[arg(long, value_name = "DURATION", value_parser = super::args::duration)]
        gone_after: Option<Duration>,
        /// Have it back after this long
        #[arg(long, value_name = "DURATION", value_parser = super::args::duration)]
        back_after: Option<Duration>,
    },
    /// Have the lost node back
    FindNode,
    /// Show what holds
    List,
    /// End all of it
    Clear,
}

/// Which requests are meant; all unless it is said.
#[derive(Debug, Args)]
struct Which {
    /// The share of those requests, from 0 to 1
    #[arg(long, default_value_t = 1.0)]
    share: f64,
    /// How many requests at most
    #[arg(long)]
    times: Option<u64>,
    /// Verbs such as create, list or watch
    #[arg(long, value_delimiter = ',', value_name = "VERB")]
    verbs: Vec<String>,
    /// A part of the path, such as /pods
    #[arg(long, default_value = "", value_name = "PART")]
    path: String,
}

impl Which {
    fn rule(&self, fault: &Value) -> Value {
        json!({"rules": [{
            "verbs": self.verbs,
            "path": self.path,
            "share": self.share,
            "times": self.times,
            "fault": fault,
        }]})
    }
}

#[derive(Debug, Args)]
struct PodOf {
    /// The pod's name
    pod: String,
    /// Its namespace
    #[arg(long, short, default_value = "default")]
    namespace: String,
    /// Which of its containers, if it has several
    #[arg(long, short)]
    container: Option<String>,
}

impl PodOf {
    fn shown(&self) -> Value {
        json!([{"pod": self.pod, "namespace": self.namespace, "container": self.container}])
    }
}

impl Order {
    /// The request that gives the order.
    fn request(&self) -> (Method, Value) {
        let add = |orders: Value| (Method::POST, orders);
        match self {
            Self::Status {
                code,
                retry_after,
                which,
            } => {
                let told = match retry_after {
                    Some(seconds) => json!({"code": code, "retry_after": seconds}),
                    None => json!(code),
                };
                add(which.rule(&json!({"status": told})))
            }
            Self::Cut(which) => add(which.rule(&json!("cut"))),
            Self::LoseAnswer(which) => add(which.rule(&json!("lose_answer"))),
            Self::Delay { length, which } => {
                add(which.rule(&json!({"delay_millis": millis(*length)})))
            }
            Self::SilenceWatches => add(json!({"silent_watches": true})),
            Self::CutWatches => add(json!({"cut_watches": true})),
            Self::ExpireWatches => add(json!({"expire_watches": true})),
            Self::ForgetHistory => add(json!({"forget_history": true})),
            Self::RotateLog(pod) => add(json!({"rotate_logs": pod.shown()})),
            Self::Evict(pod) => add(json!({"evict_pods": pod.shown()})),
            Self::LoseNode {
                gone_after,
                back_after,
            } => add(json!({"lose_node": {
                "gone_after_millis": gone_after.map(millis),
                "back_after_millis": back_after.map(millis),
            }})),
            Self::FindNode => add(json!({"find_node": true})),
            Self::List => (Method::GET, Value::Null),
            Self::Clear => (Method::DELETE, Value::Null),
        }
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

pub(super) async fn run(args: FaultArgs, situation: &Situation) -> Result<u8, CliError> {
    let dir = local::directory(situation)?;
    let info = tokio::task::spawn_blocking(move || process::status(&dir)).await;
    let info = info
        .map_err(|error| CliError::Failed(format!("asking the local cluster broke: {error}")))?
        .ok_or_else(|| {
            CliError::Unreachable(
                "the local cluster does not run; start it with `adjourn cluster start --faults`"
                    .to_owned(),
            )
        })?;
    if !info.settings.faults {
        return Err(CliError::Failed(
            "the local cluster takes no orders to fail; `adjourn cluster stop` and start it with --faults"
                .to_owned(),
        ));
    }
    let (method, orders) = args.order.request();
    let holds = order(&info, method, &orders).await?;
    let format = situation.format();
    if !print_one(format, &holds).await? && format != Format::Name {
        answer(&shown(&holds)).await?;
    }
    Ok(exit::SUCCESS)
}

/// Gives an order; answers what holds afterwards.
async fn order(info: &ClusterInfo, method: Method, orders: &Value) -> Result<Value, CliError> {
    let unreachable = |error: &dyn std::error::Error| {
        CliError::Unreachable(format!(
            "the local cluster at {} does not answer: {}",
            info.server,
            sentence(error)
        ))
    };
    let kubeconfig = Kubeconfig::read_from(&info.kubeconfig).map_err(|why| unreachable(&why))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|why| unreachable(&why))?;
    let client = kube::Client::try_from(config).map_err(|why| unreachable(&why))?;
    let request = Request::builder()
        .method(method)
        .uri(PATH)
        .header("content-type", "application/json")
        .body(Body::from(orders.to_string().into_bytes()))
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let response = client
        .send(request)
        .await
        .map_err(|why| unreachable(&why))?;
    let code = response.status();
    let body = response.into_body().collect().await;
    let body = body.map_err(|why| unreachable(&why))?.to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = || {
        told["message"]
            .as_str()
            .unwrap_or("it was refused")
            .to_owned()
    };
    match code {
        StatusCode::OK => Ok(told),
        StatusCode::NOT_FOUND => Err(CliError::NotFound(message())),
        StatusCode::BAD_REQUEST => Err(CliError::Usage(message())),
        code => Err(CliError::Failed(format!("{code}: {}", message()))),
    }
}

/// What holds, a line each.
fn shown(holds: &Value) -> String {
    let mut lines: Vec<String> = holds["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| {
            let mut words = vec![rule["fault"].to_string()];
            for member in ["verbs", "path", "times"] {
                if !rule[member].is_null() {
                    words.push(format!("{member}={}", rule[member]));
                }
            }
            if rule["share"] != 1.0 {
                words.push(format!("share={}", rule["share"]));
            }
            words.join(" ")
        })
        .collect();
    if holds["silent_watches"] == true {
        lines.push("watches are silent".to_owned());
    }
    if !holds["lost_node"].is_null() {
        lines.push(format!("the node is lost {}", holds["lost_node"]));
    }
    if lines.is_empty() {
        lines.push("nothing is made to fail".to_owned());
    }
    lines.join("\n") + "\n"
}
