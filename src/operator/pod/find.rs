//! Finding a task's pod again by its labels, where no record knows it.
//!
//! The records know every pod that this installation made. They do not when the database was
//! restored from a backup: then a pod of the task may run that nobody has on record.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::Pod;

use super::call::Call;
use super::launch::unwell;
use crate::operator::Failure;
use crate::operator::verdict::most_recent;
use crate::pod::client::ClusterClient;
use crate::pod::intent::nonce_of;
use crate::pod::lifecycle;
use crate::pod::observe::observe;
use crate::pod::spec::{ALREADY_CHECKED, IN_CLUSTER_LABEL, PodManifest, VERSION_LABEL};
use crate::task::file::OnFinishAction;
use crate::task::pods::{ConnectionRef, PodIdentity, PodIntent, PodRecord};

impl Call<'_> {
    /// The newest pod that carries this task's labels, is not marked as checked, and is on no
    /// record. Older ones are deleted, or marked where the task keeps its pods.
    pub async fn find_pod(
        &self,
        client: &ClusterClient,
        manifest: &PodManifest,
        records: &[PodRecord],
    ) -> Result<Option<Pod>, Failure> {
        let known: HashSet<&str> = records
            .iter()
            .filter_map(|record| record.uid.as_deref())
            .collect();
        let mut found =
            lifecycle::find_by_labels(client, manifest.namespace(), &selector(manifest))
                .await
                .map_err(|error| unwell(&error))?;
        found.retain(|pod| {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            pod.metadata.deletion_timestamp.is_none() && !known.contains(uid)
        });
        let Some(newest) = most_recent(&found) else {
            return Ok(None);
        };
        let newest = found.swap_remove(newest);
        tracing::info!(
            task = %self.context.task,
            pod = newest.metadata.name.as_deref().unwrap_or_default(),
            "a pod of this task was found by its labels"
        );
        for duplicate in &found {
            self.process_duplicate(client, duplicate).await?;
        }
        Ok(Some(newest))
    }

    /// Of several pods of one task only the newest is gone on with.
    async fn process_duplicate(&self, client: &ClusterClient, pod: &Pod) -> Result<(), Failure> {
        let identity: PodIdentity = observe(pod).identity;
        let result = match self.file.pod.on_finish_action {
            OnFinishAction::KeepPod => {
                let mark = [(ALREADY_CHECKED.to_owned(), Some("True".to_owned()))].into();
                lifecycle::patch_labels(client, &identity, &mark)
                    .await
                    .map(|_| ())
            }
            OnFinishAction::DeletePod
            | OnFinishAction::DeleteSucceededPod
            | OnFinishAction::DeleteActivePod => {
                lifecycle::delete(client, &identity, None).await.map(|_| ())
            }
        };
        result.map_err(|error| unwell(&error))
    }
}

/// An intent for a pod that was found, as if it had been on record all along.
pub(super) fn intent_of(pod: &Pod, connection: ConnectionRef, client: &ClusterClient) -> PodIntent {
    let identity = observe(pod).identity;
    PodIntent {
        connection,
        server: client.server().to_owned(),
        namespace: identity.namespace,
        name: identity.name,
        nonce: nonce_of(pod).unwrap_or_default().to_owned(),
        body_hash: String::new(),
    }
}

/// All labels of the pod that would be made, but for those that differ between attempts and
/// between versions of this program.
fn selector(manifest: &PodManifest) -> String {
    let labels = manifest.as_value()["metadata"]["labels"].as_object();
    let mut terms: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter(|(key, _)| !["try_number", VERSION_LABEL, IN_CLUSTER_LABEL].contains(&key.as_str()))
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    terms.sort();
    terms.push(format!("{ALREADY_CHECKED}!=True"));
    terms.join(",")
}
