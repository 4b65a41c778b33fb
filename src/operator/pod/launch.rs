//! Creating the pod of an attempt, exactly once, or taking it up again.

use k8s_openapi::api::core::v1::Pod;
use rand::distr::{Alphanumeric, SampleString};

use super::call::Call;
use super::connection_of;
use super::find::intent_of;
use super::plan::{PlanOptions, plan};
use crate::operator::verdict::{Reuse, reuse};
use crate::operator::{Failure, Step};
use crate::pod::client::{ApiError, ClusterClient};
use crate::pod::intent::{hash_of, mark, nonce_of};
use crate::pod::lifecycle::{self, Creation};
use crate::pod::observe::observe;
use crate::pod::spec::PodManifest;
use crate::task::outcome::FailureKind;
use crate::task::pods::{ConnectionRef, PodIntent, PodRecord};

/// How many random characters an intent's nonce has.
const NONCE_LENGTH: usize = 24;

impl Call<'_> {
    /// Begins an attempt, or begins it again: at most one pod comes of it.
    pub async fn execute(&self) -> Result<Step, Failure> {
        let pod = match self.records().await?.last() {
            Some(record) => self.take_up(record).await?,
            None => match self.reattach().await? {
                Some(pod) => pod,
                None => self.find_or_create().await?,
            },
        };
        self.attend(&pod).await
    }

    /// Goes on with a pod that is on record and confirmed.
    pub async fn attend(&self, pod: &Pod) -> Result<Step, Failure> {
        let own = self.own_pod().await?.ok_or_else(|| {
            // It has just been written down: somebody else holds the task.
            Failure::transient("the pod is not on record")
        })?;
        let observation = observe(pod);
        self.tell_creation(&own, &observation).await?;
        self.invoke_defer_method(&own, observation).await
    }

    /// Goes on with the pod of this attempt that is on record.
    async fn take_up(&self, record: &PodRecord) -> Result<Pod, Failure> {
        let client = self.operator.client(&record.intent.connection).await?;
        let intent = &record.intent;
        let found = lifecycle::get(&client, &intent.namespace, &intent.name)
            .await
            .map_err(|error| unwell(&error))?;
        match (found, &record.uid) {
            (Some(pod), Some(uid)) if pod.metadata.uid.as_ref() == Some(uid) => Ok(pod),
            (Some(pod), None) if nonce_of(&pod) == Some(intent.nonce.as_str()) => {
                self.confirm(&intent.name, &pod).await?;
                Ok(pod)
            }
            _ if client.server() != intent.server => Err(elsewhere(&client, intent)),
            (None, None) => {
                // The crash came before the call, or the call failed: the same name again.
                let mut manifest = self.manifest(&client).await?;
                manifest.as_value_mut()["metadata"]["name"] = intent.name.as_str().into();
                self.send(&client, manifest, intent).await
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

    /// The pod of an earlier attempt that is on record, if the task goes on with it.
    async fn reattach(&self) -> Result<Option<Pod>, Failure> {
        let records = self.context.journal.pods().await?;
        let left = records
            .iter()
            .rev()
            .filter(|record| record.disposal.is_none());
        for record in left {
            let Some(identity) = record.identity() else {
                continue;
            };
            let client = self.operator.client(&record.intent.connection).await?;
            let found = lifecycle::get_same(&client, &identity)
                .await
                .map_err(|error| unwell(&error))?;
            if let Some(pod) = found
                && let Some(pod) = self.reuse(&client, pod, record.intent.clone()).await?
            {
                return Ok(Some(pod));
            }
        }
        Ok(None)
    }

    /// The pod that the task's labels find, or a new one.
    async fn find_or_create(&self) -> Result<Pod, Failure> {
        // A first attempt of a task that is new has left nothing to find: no need to ask.
        if self.context.try_number == 1 || !self.file.pod.reattach_on_restart {
            return self.create().await;
        }
        let connection = connection_of(&self.file);
        let client = self.operator.client(&connection).await?;
        let manifest = self.manifest(&client).await?;
        let records = self.context.journal.pods().await?;
        if let Some(pod) = self.find_pod(&client, &manifest, &records).await? {
            let intent = intent_of(&pod, connection.clone(), &client);
            if let Some(pod) = self.reuse(&client, pod, intent).await? {
                return Ok(pod);
            }
        }
        self.create_from(&client, manifest, connection).await
    }

    /// Goes on with a pod of an earlier attempt, or sees that it makes room.
    async fn reuse(
        &self,
        client: &ClusterClient,
        pod: Pod,
        intent: PodIntent,
    ) -> Result<Option<Pod>, Failure> {
        let parameters = &self.file.pod;
        let observation = observe(&pod);
        let decision = reuse(
            Some(&observation).filter(|seen| seen.deletion.is_none()),
            parameters.reattach_on_restart,
            parameters.on_finish_action,
            self.base(),
        );
        match decision {
            Reuse::Existing => {
                let name = intent.name.clone();
                self.context.journal.intend_pod(intent).await?;
                self.confirm(&name, &pod).await?;
                Ok(Some(pod))
            }
            Reuse::New { deletes_existing } => {
                if deletes_existing {
                    lifecycle::delete(client, &observation.identity, None)
                        .await
                        .map_err(|error| unwell(&error))?;
                }
                Ok(None)
            }
        }
    }

    /// Creates a pod.
    pub async fn create(&self) -> Result<Pod, Failure> {
        let connection = connection_of(&self.file);
        let client = self.operator.client(&connection).await?;
        let manifest = self.manifest(&client).await?;
        self.create_from(&client, manifest, connection).await
    }

    /// Creates a pod that is built: first its intent is on record, then the call is made.
    async fn create_from(
        &self,
        client: &ClusterClient,
        manifest: PodManifest,
        connection: ConnectionRef,
    ) -> Result<Pod, Failure> {
        let intent = intent(&manifest, connection, client);
        self.context.journal.intend_pod(intent.clone()).await?;
        self.send(client, manifest, &intent).await
    }

    async fn manifest(&self, client: &ClusterClient) -> Result<PodManifest, Failure> {
        let failed = |retryable, words: String| {
            Failure::attempt(FailureKind::CouldNotStart, retryable, words)
        };
        let mut connection = self
            .operator
            .connections
            .settings(&self.file.pod.kubernetes_conn_id)
            .map_err(|error| failed(true, error.to_string()))?;
        // What the kubeconfig or the service account says comes last, before `default`.
        connection
            .namespace
            .get_or_insert_with(|| client.default_namespace().to_owned());
        let context = &self.context;
        let options = PlanOptions {
            key: &context.key,
            try_number: context.try_number,
            submitted_at: context.submitted_at,
            connection: &connection,
            template_env: &self.operator.settings().template_env,
            installation: Some((&context.installation, client.in_cluster())),
        };
        let planned = plan(&self.file, &options, &mut rand::rng())
            .map_err(|error| failed(false, error.to_string()))?;
        self.shape(planned, client).await
    }

    /// Sends the create call of an intent that is on record.
    async fn send(
        &self,
        client: &ClusterClient,
        manifest: PodManifest,
        intent: &PodIntent,
    ) -> Result<Pod, Failure> {
        let mut body = manifest.into_value();
        mark(&mut body, &intent.nonce);
        crate::failpoint::reach!("create.before");
        let creation = lifecycle::create(client, &intent.namespace, &intent.name, &body).await;
        crate::failpoint::reach!("create.answered");
        let creation = creation.map_err(|error| refused(&error))?;
        let pod = match creation {
            Creation::Created(pod) => *pod,
            Creation::AlreadyExists => find_own(client, intent).await?,
        };
        self.confirm(&intent.name, &pod).await?;
        Ok(pod)
    }

    /// Writes down which pod the API server made of an intent.
    async fn confirm(&self, name: &str, pod: &Pod) -> Result<(), Failure> {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        self.context.journal.pod_created(name, uid).await?;
        Ok(())
    }
}

/// The pod that has our name already: ours, if the answer to an earlier call was lost.
async fn find_own(client: &ClusterClient, intent: &PodIntent) -> Result<Pod, Failure> {
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

fn intent(manifest: &PodManifest, connection: ConnectionRef, client: &ClusterClient) -> PodIntent {
    PodIntent {
        connection,
        server: client.server().to_owned(),
        namespace: manifest.namespace().to_owned(),
        name: manifest.name().to_owned(),
        nonce: Alphanumeric.sample_string(&mut rand::rng(), NONCE_LENGTH),
        body_hash: hash_of(manifest.as_value()),
    }
}

/// The pod is not there, but this is not the API server that it was created on.
pub(super) fn elsewhere(client: &ClusterClient, intent: &PodIntent) -> Failure {
    Failure::transient(format!(
        "the pod {}/{} was created on {}, and the connection {} now leads to {}; give the flags that it was started with (--local, --kubeconfig, --context)",
        intent.namespace,
        intent.name,
        intent.server,
        intent.connection.name,
        client.server()
    ))
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
