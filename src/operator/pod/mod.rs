//! The pod operator: one pod an attempt, from its intent to its verdict.
//!
//! `plan` turns a stored definition into a pod, `launch` creates it or takes it up again,
//! `collect` fetches its logs, `finish` gives the verdict. The pod is known by its uid; its name
//! and a nonce are on record before it is created, so that a crash at any point starts no second
//! one. Nothing here deletes a pod: what is to become of it is part of the verdict, and the
//! engine carries it out until it holds.

mod collect;
mod finish;
mod launch;
mod plan;
mod preview;
mod reentry;

use async_trait::async_trait;

pub use plan::{PlanError, PlanOptions, plan};
pub use preview::{Preview, PreviewOptions, preview};

use super::{Failure, Operator, Refused, Step, TaskContext};
use crate::clock::Timestamp;
use crate::pod::client::{ClusterClient, ConnectionError, Connections};
use crate::pod::spec::validate;
use crate::task::deferral::TriggerEvent;
use crate::task::file::TaskFile;
use crate::task::id::TaskKey;
use crate::task::outcome::{Ending, FailureKind};
use crate::task::pods::{ConnectionOverrides, ConnectionRef};

/// The name of this kind of operator.
pub const KIND: &str = "pod";

/// Runs a task as a pod.
#[derive(Debug, Clone)]
pub struct PodOperator {
    connections: Connections,
    settings: PodOperatorSettings,
}

/// What an installation says about all its pods.
#[derive(Debug, Clone, Default)]
pub struct PodOperatorSettings {
    /// Environment variables of this process that templates may read, with their values.
    pub template_env: std::collections::BTreeMap<String, String>,
}

impl PodOperator {
    /// An operator for pods on any of `connections`.
    #[must_use]
    pub fn new(connections: Connections, settings: PodOperatorSettings) -> Self {
        Self {
            connections,
            settings,
        }
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
    ConnectionRef {
        name: file.pod.kubernetes_conn_id.clone(),
        overrides: ConnectionOverrides {
            in_cluster: file.pod.in_cluster,
            cluster_context: file.pod.cluster_context.clone(),
            config_file: file.pod.config_file.clone().map(Into::into),
        },
    }
}

/// Reads the definition that was stored at submit.
fn definition_of(context: &TaskContext) -> Result<TaskFile, Failure> {
    serde_json::from_str(&context.definition).map_err(|error| {
        let reason = format!("the stored definition cannot be understood: {error}");
        Failure::attempt(FailureKind::CouldNotStart, false, reason)
    })
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
            template_env: &self.settings.template_env,
            installation: None,
        };
        let planned =
            plan(&file, &options, &mut rand::rng()).map_err(|error| refused(error.to_string()))?;
        let violations = validate(&planned);
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Refused(
                violations.iter().map(ToString::to_string).collect(),
            ))
        }
    }

    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure> {
        self.launch(context).await
    }

    async fn trigger_reentry(
        &self,
        context: &TaskContext,
        event: TriggerEvent,
    ) -> Result<Step, Failure> {
        self.go_on(context, event).await
    }

    async fn on_kill(&self, context: &TaskContext) -> Result<Ending, Failure> {
        self.end(context).await
    }
}
