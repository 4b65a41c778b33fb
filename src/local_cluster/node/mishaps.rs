//! What can be made to happen to a node, for tests of those who use it.

use serde_json::{Value, json};

use super::kubelet::worker::key_of;
use super::logs::{self, RotationError};
use super::loss::{self, Loss};
use super::service::Node;
use crate::local_cluster::objects::{ObjectError, Preconditions, now};

impl Node {
    /// Loses the node, or changes how it is lost: nobody reaches it and nothing is heard from it,
    /// while its containers run on.
    pub fn lose(&self, loss: Loss) {
        self.shared.loss.send_replace(Some(loss));
    }

    /// The node is back.
    pub fn find(&self) {
        self.shared
            .loss
            .send_if_modified(|loss| loss.take().is_some());
    }

    /// How the node is lost, if it is.
    #[must_use]
    pub fn loss(&self) -> Option<Loss> {
        *self.shared.loss.borrow()
    }

    /// Comes to its end when the node is lost.
    pub async fn lost(&self) {
        loss::lost(&mut self.shared.loss.subscribe()).await;
    }

    /// Puts the log of `container` of `pod` aside, as if it had grown too large.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn rotate_log(&self, pod: &Value, container: &str) -> Result<(), RotationError> {
        logs::rotate(&self.shared, pod, container).await
    }

    /// Ends `pod` at once, as a node does that runs out of memory. Its object stays.
    ///
    /// # Errors
    /// When the pod is gone or cannot be written.
    pub fn evict(&self, pod: &Value) -> Result<(), ObjectError> {
        let why = "The node was low on resource: memory. It was said to be so on request.";
        if let (Some(key), Some(uid)) = (key_of(pod), pod["metadata"]["uid"].as_str()) {
            let objects = &self.shared.objects;
            objects.update(&key, Preconditions::uid(uid), |pod| disrupt(pod, why))?;
            // A node that has ended has no pods to evict.
            let _ = self.evictions.send((uid.to_owned(), why.to_owned()));
        }
        Ok(())
    }
}

fn disrupt(pod: &mut Value, why: &str) {
    let condition = json!({
        "type": "DisruptionTarget",
        "observedGeneration": pod["metadata"]["generation"],
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": now(),
        "reason": "TerminationByKubelet",
        "message": why,
    });
    let conditions = &mut pod["status"]["conditions"];
    let others = conditions.as_array().cloned().unwrap_or_default();
    *conditions = others
        .into_iter()
        .filter(|one| one["type"] != "DisruptionTarget")
        .chain([condition])
        .collect();
}
