//! The pod operator: one pod an attempt, from its intent to its verdict.
//!
//! `plan` turns a stored definition into a pod, `launch` creates it or takes it up again, `wait`
//! describes what it waits for, `collect` and `events` fetch what the cluster has to say, `xcom`
//! the result, `finish` gives the verdict. `live` does all of it in one go, for a task that is not
//! to be deferred.
//!
//! The pod is known by its uid; its name and a nonce are on record before it is created, so that a
//! crash at any point starts no second one. Nothing here deletes a pod: what is to become of it is
//! part of the verdict, and the engine carries it out until it holds.

mod advice;
mod call;
mod collect;
mod events;
mod find;
mod finish;
mod launch;
mod live;
mod plan;
mod preview;
mod reentry;
mod tell;
mod wait;
mod xcom;

use std::sync::Arc;

use async_trait::async_trait;

pub use collect::POST_TERMINATION_TIMEOUT;
pub use plan::{PlanError, PlanOptions, plan};
pub use preview::{Preview, PreviewOptions, preview};
pub use xcom::XCOM_PATIENCE;

use super::callbacks::{CallbackLimits, PodCallbacks, PodMutationHook, Registered, apply_hook};
use super::{Failure, Operator, Refused, Step, TaskContext};
use crate::clock::Timestamp;
use crate::pod::client::{ClusterClient, ConnectionError, Connections};
use crate::pod::spec::validate;
use crate::task::deferral::TriggerEvent;
use crate::task::file::TaskFile;
use crate::task::id::TaskKey;
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::{ConnectionOverrides, ConnectionRef};
use call::Call;
use tokio::sync::watch;

/// The name of this kind of operator.
pub const KIND: &str = "pod";

/// Runs a task as a pod.
#[derive(Debug, Clone)]
pub struct PodOperator {
    connections: Connections,
    settings: watch::Receiver<PodOperatorSettings>,
    registered: Registered,
}

/// What an installation says about all its pods.
#[derive(Debug, Clone, Default)]
pub struct PodOperatorSettings {
    /// Environment variables of this process that templates may read, with their values.
    pub template_env: std::collections::BTreeMap<String, String>,
    /// How many bytes one read brings of the log of a container that runs on; all that there is
    /// when absent.
    pub log_read_bytes: Option<u64>,
}

impl PodOperator {
    /// An operator for pods on any of `connections`.
    #[must_use]
    pub fn new(connections: Connections, settings: PodOperatorSettings) -> Self {
        // What nobody can change any more stays as it is.
        let (_, settings) = watch::channel(settings);
        Self::following(connections, settings)
    }

    /// An operator whose settings may be replaced while it works; a step goes by those that hold
    /// when it needs them.
    #[must_use]
    pub fn following(
        connections: Connections,
        settings: watch::Receiver<PodOperatorSettings>,
    ) -> Self {
        Self {
            connections,
            settings,
            registered: Registered::default(),
        }
    }

    fn settings(&self) -> PodOperatorSettings {
        self.settings.borrow().clone()
    }

    /// Registers callbacks under a name that task files use; later ones of the same name take
    /// their place.
    #[must_use]
    pub fn with_callback(mut self, name: &str, callbacks: Arc<dyn PodCallbacks>) -> Self {
        self.registered.add(name, callbacks);
        self
    }

    /// Lets `hook` change every pod before it is checked and sent.
    #[must_use]
    pub fn with_pod_mutation_hook(mut self, hook: PodMutationHook) -> Self {
        self.registered.set_hook(hook);
        self
    }

    /// How long callbacks may take.
    #[must_use]
    pub fn with_callback_limits(mut self, limits: CallbackLimits) -> Self {
        self.registered.set_limits(limits);
        self
    }

    async fn client(&self, connection: &ConnectionRef) -> Result<ClusterClient, Failure> {
        self.connections
            .client(connection)
            .await
            .map_err(|error| match error {
                ConnectionError::Unknown { .. } => {
                    Failure::attempt(FailureKind::CouldNotStart, true, error.to_string())
                }
                // A file may be put right, a login may come back: no task's fate hangs on it.
                ConnectionError::Connect(_) => Failure::transient(error.to_string()),
            })
    }
}

/// The connection that a task names, with what it says about it itself.
#[must_use]
pub fn connection_of(file: &TaskFile) -> ConnectionRef {
    let parameters = &file.pod;
    ConnectionRef {
        name: parameters.kubernetes_conn_id.clone(),
        overrides: ConnectionOverrides {
            in_cluster: parameters.in_cluster,
            cluster_context: parameters.cluster_context.clone(),
            config_file: parameters.config_file.clone().map(Into::into),
        },
    }
}

#[async_trait]
impl Operator for PodOperator {
    fn check(&self, key: &TaskKey, definition: &str, now: Timestamp) -> Result<(), Refused> {
        let refused = |words: String| Refused(vec![words]);
        let file: TaskFile =
            serde_json::from_str(definition).map_err(|error| refused(error.to_string()))?;
        let connection = self
            .connections
            .settings(&file.pod.kubernetes_conn_id)
            .map_err(|error| refused(error.to_string()))?;
        let options = PlanOptions {
            key,
            try_number: 1,
            submitted_at: now,
            connection: &connection,
            template_env: &self.settings().template_env,
            installation: None,
        };
        let mut planned =
            plan(&file, &options, &mut rand::rng()).map_err(|error| refused(error.to_string()))?;
        if let Some(hook) = self.registered.hook() {
            apply_hook(hook, &mut planned, &file.pod.base_container_name)
                .map_err(|error| refused(error.to_string()))?;
        }
        let (_, mut faults) = self.registered.listeners(&file.pod);
        faults.extend(validate(&planned).iter().map(ToString::to_string));
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refused(faults))
        }
    }

    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure> {
        let call = Call::new(self, context)?;
        call.tell_client().await;
        let step = call.execute().await;
        call.tell_end(&step).await;
        step
    }

    async fn trigger_reentry(
        &self,
        context: &TaskContext,
        event: TriggerEvent,
    ) -> Result<Step, Failure> {
        let call = Call::new(self, context)?;
        call.tell_client().await;
        let step = call.trigger_reentry(event).await;
        call.tell_end(&step).await;
        step
    }

    async fn on_kill(&self, context: &TaskContext) -> Result<Ending, Failure> {
        let call = Call::new(self, context)?;
        let ending = call.on_kill().await?;
        call.tell_kill(&ending).await;
        Ok(ending)
    }
}
