//! Telling the API what a pod has come to.

use jiff::Timestamp;

use super::intake;
use super::shared::Shared;
use super::state::PodState;
use super::status::{self, seconds};
use crate::local_cluster::objects::{Object, ObjectError, ObjectKey, Preconditions};

/// The object of a pod of this node.
pub struct Told<'a> {
    /// What all pods share.
    pub shared: &'a Shared,
    /// Its key.
    pub key: &'a ObjectKey,
    /// Its uid: a later pod of the same name is left alone.
    pub uid: &'a str,
}

impl Told<'_> {
    /// Writes the status into `pod`, if it is not what the API shows already; gives the pod as it
    /// is then.
    ///
    /// # Errors
    /// When the pod is gone, or cannot be written.
    pub fn tell(&self, pod: &mut Object, state: &PodState) -> Result<Option<Object>, ObjectError> {
        let (facts, now) = (&self.shared.facts, Timestamp::now());
        let Some(next) = status::next(pod, state, facts, now) else {
            return Ok(None);
        };
        let seen = pod["metadata"]["resourceVersion"].clone();
        let expected = Preconditions::uid(self.uid);
        let objects = &self.shared.objects;
        let tree = std::mem::replace(pod, pod.packed());
        let told = objects.update_seen(self.key, tree, expected, |pod| {
            let next = if intake::is_let_go(pod) {
                None
            } else if pod["metadata"]["resourceVersion"] == seen {
                Some(next)
            } else {
                status::next(pod, state, facts, now)
            };
            if let Some(next) = next {
                pod["status"] = next;
            }
        });
        told.map(Some)
    }

    /// Lets the object go, as the last thing that a node does for a pod.
    ///
    /// # Errors
    /// When the pod is gone, or cannot be written.
    pub fn let_go(&self) -> Result<Object, ObjectError> {
        let expected = Preconditions::uid(self.uid);
        let now = seconds(Timestamp::now());
        let objects = &self.shared.objects;
        let grace = ["metadata", "deletionGracePeriodSeconds"];
        let current = objects.get(self.key);
        // Whoever has marked it so may be about to remove it: there is nothing to write then.
        if current.is_none_or(|pod| pod.member(&grace) != Some(0.into())) {
            objects.update(self.key, expected.clone(), |pod| {
                if pod["metadata"]["deletionGracePeriodSeconds"] != 0 {
                    pod["metadata"]["deletionTimestamp"] = now;
                    pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                }
            })?;
        }
        objects.remove(self.key, expected)
    }
}
