//! What all pods of the node share.

use serde_json::Value;

use super::status::NodeFacts;
use super::values::Values;
use crate::local_cluster::node::config::{Grounds, NodeConfig};
use crate::local_cluster::node::loss::Loss;
use crate::local_cluster::objects::{EventSource, EventType, Objects};

/// What all pods of the node share.
pub struct Shared {
    /// The store.
    pub objects: Objects,
    /// The node's settings.
    pub config: NodeConfig,
    /// What the machine allows.
    pub grounds: Grounds,
    /// What statuses tell of the node.
    pub facts: NodeFacts,
    /// How the node is lost, if it is.
    pub loss: tokio::sync::watch::Sender<Option<Loss>>,
}

impl Shared {
    /// Whether nobody reaches the node.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.loss.borrow().is_some()
    }

    /// What whoever tries to reach a lost node is told.
    #[must_use]
    pub fn unreachable(&self) -> String {
        let address = &self.config.address;
        format!("dial tcp {address}:10250: connect: no route to host")
    }

    /// Says something about a pod, or about one of its containers.
    pub fn say(&self, pod: &Value, path: Option<&str>, kind: EventType, reason: &str, text: &str) {
        let source = EventSource::Kubelet {
            node: self.config.name.clone(),
        };
        let said = self
            .objects
            .record_event(&source, pod, path, kind, reason, text);
        if let Err(error) = said {
            tracing::warn!(%error, reason, "an event could not be recorded");
        }
    }

    /// Where the values of `pod` come from.
    #[must_use]
    pub fn values<'a>(&'a self, pod: &'a Value) -> Values<'a> {
        Values {
            objects: &self.objects,
            pod,
            node: &self.config.name,
            address: &self.config.address,
        }
    }
}
