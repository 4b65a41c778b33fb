//! Creating the pod of an attempt, exactly once, or taking it up again.

use k8s_openapi::api::core::v1::Pod;
use rand::distr::{Alphanumeric, SampleString};

use super::plan::{PlanOptions, plan};
use super::{PodOperator, connection_of, definition_of};
use crate::operator::verdict::{Reuse, reuse};
use crate::operator::{Failure, Step, TaskContext};
use crate::pod::client::{ApiError, ClusterClient};
use crate::pod::intent::{hash_of, mark, nonce_of};
use crate::pod::lifecycle::{self, Creation};
use crate::pod::observe::observe;
use crate::pod::spec::PodManifest;
use crate::task::file::TaskFile;
use crate::task::outcome::FailureKind;
use crate::task::pods::{ConnectionRef, PodIntent, PodRecord};

/// How many random characters an intent's nonce has.
const NONCE_LENGTH: usize = 24;

impl PodOperator {
    /// Begins an attempt, or begins it again: at most one pod comes of it.
    pub(super) async fn launch(&self, context: &TaskContext) -> Result<Step, Failure> {
        let file = definition_of(context)?;
        let records = context.journal.pods().await?;
        let current = records
            .iter()
            .rfind(|record| record.try_number == context.try_number);
        let pod = match current {
            Some(record) => self.take_up(context, &file, record).await?,
            None => match self.reattach(context, &file, &records).await? {
                Some(pod) => pod,
                None => self.create(context, &file).await?,
            },
        };
        self.attend(context, &file, &observe(&pod)).await
    }

    /// Goes on with the pod of this attempt that is on record.
    async fn take_up(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        record: &PodRecord,
    ) -> Result<Pod, Failure> {
        let client = self.client(&record.intent.connection).await?;
        let intent = &record.intent;
        let found = lifecycle::get(&client, &intent.namespace, &intent.name)
            .await
            .map_err(|error| unwell(&error))?;
        match (found, &record.uid) {
            (Some(pod), Some(uid)) if pod.metadata.uid.as_ref() == Some(uid) => Ok(pod),
            (Some(pod), None) if nonce_of(&pod) == Some(intent.nonce.as_str()) => {
                created(context, &intent.name, &pod).await?;
                Ok(pod)
            }
            (None, None) => {
                // The crash came before the call, or the call failed: the same name again.
                let mut manifest = self.manifest(context, file, &client)?;
                manifest.as_value_mut()["metadata"]["name"] = intent.name.as_str().into();
                self.send(context, &client, manifest, intent).await
            }
            (_, Some(_)) => {
                let reason = format!(
                    "the pod {}/{} is gone before its end was seen",
                    intent.namespace, intent.name
                );
                Err(Failure::attempt(FailureKind::Failed, true, reason))
            }
            (Some(_), None) => Err(taken(intent)),
        }
    }

    /// The pod of an earlier attempt, if the task goes on with it.
    async fn reattach(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        records: &[PodRecord],
    ) -> Result<Option<Pod>, Failure> {
        let left = records
            .iter()
            .rev()
            .filter(|record| record.disposal.is_none());
        for record in left {
            let Some(identity) = record.identity() else {
                continue;
            };
            let client = self.client(&record.intent.connection).await?;
            let found = lifecycle::get_same(&client, &identity)
                .await
                .map_err(|error| unwell(&error))?;
            let Some(pod) = found else { continue };
            let parameters = &file.pod;
            let decision = reuse(
                Some(&observe(&pod)).filter(|seen| seen.deletion.is_none()),
                parameters.reattach_on_restart,
                parameters.on_finish_action,
                &parameters.base_container_name,
            );
            match decision {
                Reuse::Existing => {
                    context.journal.intend_pod(record.intent.clone()).await?;
                    created(context, &record.intent.name, &pod).await?;
                    return Ok(Some(pod));
                }
                Reuse::New { deletes_existing } => {
                    if deletes_existing {
                        lifecycle::delete(&client, &identity, None)
                            .await
                            .map_err(|error| unwell(&error))?;
                    }
                }
            }
        }
        Ok(None)
    }

    async fn create(&self, context: &TaskContext, file: &TaskFile) -> Result<Pod, Failure> {
        let connection = connection_of(file);
        let client = self.client(&connection).await?;
        let manifest = self.manifest(context, file, &client)?;
        let intent = intent(&manifest, connection);
        context.journal.intend_pod(intent.clone()).await?;
        self.send(context, &client, manifest, &intent).await
    }

    fn manifest(
        &self,
        context: &TaskContext,
        file: &TaskFile,
        client: &ClusterClient,
    ) -> Result<PodManifest, Failure> {
        let mut connection = self
            .connections
            .settings(&file.pod.kubernetes_conn_id)
            .map_err(|error| {
                Failure::attempt(FailureKind::CouldNotStart, true, error.to_string())
            })?;
        // What the kubeconfig or the service account says comes last, before `default`.
        connection
            .namespace
            .get_or_insert_with(|| client.default_namespace().to_owned());
        let options = PlanOptions {
            key: &context.key,
            try_number: context.try_number,
            submitted_at: context.submitted_at,
            connection: &connection,
            template_env: &self.settings.template_env,
            installation: Some((&context.installation, client.in_cluster())),
        };
        plan(file, &options, &mut rand::rng())
            .map_err(|error| Failure::attempt(FailureKind::CouldNotStart, false, error.to_string()))
    }

    /// Sends the create call of an intent that is on record.
    async fn send(
        &self,
        context: &TaskContext,
        client: &ClusterClient,
        manifest: PodManifest,
        intent: &PodIntent,
    ) -> Result<Pod, Failure> {
        let mut body = manifest.into_value();
        mark(&mut body, &intent.nonce);
        let creation = lifecycle::create(client, &intent.namespace, &intent.name, &body)
            .await
            .map_err(|error| refused(&error))?;
        let pod = match creation {
            Creation::Created(pod) => *pod,
            Creation::AlreadyExists => self.find_own(client, intent).await?,
        };
        created(context, &intent.name, &pod).await?;
        Ok(pod)
    }

    /// The pod that has our name already: ours, if the answer to an earlier call was lost.
    async fn find_own(&self, client: &ClusterClient, intent: &PodIntent) -> Result<Pod, Failure> {
        let found = lifecycle::get(client, &intent.namespace, &intent.name)
            .await
            .map_err(|error| unwell(&error))?;
        match found {
            Some(pod) if nonce_of(&pod) == Some(intent.nonce.as_str()) => Ok(pod),
            Some(pod) if pod.metadata.deletion_timestamp.is_none() => Err(taken(intent)),
            Some(_) | None => Err(Failure::transient(format!(
                "a pod of the name {}/{} is still being deleted",
                intent.namespace, intent.name
            ))),
        }
    }
}

fn intent(manifest: &PodManifest, connection: ConnectionRef) -> PodIntent {
    PodIntent {
        connection,
        namespace: manifest.namespace().to_owned(),
        name: manifest.name().to_owned(),
        nonce: Alphanumeric.sample_string(&mut rand::rng(), NONCE_LENGTH),
        body_hash: hash_of(manifest.as_value()),
    }
}

async fn created(context: &TaskContext, name: &str, pod: &Pod) -> Result<(), Failure> {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    context.journal.pod_created(name, uid).await?;
    Ok(())
}

fn taken(intent: &PodIntent) -> Failure {
    let reason = format!(
        "there is a pod {}/{} already and it is not this task's; delete it, or give the task another name or random_name_suffix: true",
        intent.namespace, intent.name
    );
    Failure::attempt(FailureKind::CouldNotStart, true, reason)
}

/// A call that only looks: whatever it says decides nothing.
pub(super) fn unwell(error: &ApiError) -> Failure {
    Failure::Transient {
        reason: full(error),
        retry_after: error.retry_after(),
    }
}

/// The create call: a clear no is the attempt's failure, anything else is tried again.
fn refused(error: &ApiError) -> Failure {
    if error.retryable() {
        return unwell(error);
    }
    Failure::attempt(FailureKind::CouldNotStart, true, full(error))
}

/// An error with what caused it, in one line.
pub(super) fn full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    words
}
