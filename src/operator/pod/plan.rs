//! From a stored definition to the pod that would be sent: pure but for the randomness passed in.

use std::collections::BTreeMap;

use rand::Rng;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::pod::client::ConnectionSettings;
use crate::pod::spec::{
    BuildContext, BuildError, ConnectionDefaults, InvalidConnectionField, PodManifest, RandomNames,
    Stamps, TaskInstance, build,
};
use crate::task::file::TaskFile;
use crate::task::id::TaskKey;
use crate::task::template::{TemplateContext, TemplateError, render};

/// What a plan depends on besides the definition.
pub struct PlanOptions<'a> {
    /// The task's key.
    pub key: &'a TaskKey,
    /// The attempt, counted from 1.
    pub try_number: u32,
    /// The moment that a run stands for whose id names none.
    pub submitted_at: Timestamp,
    /// What the connection contributes.
    pub connection: &'a ConnectionSettings,
    /// The environment variables that templates may read.
    pub template_env: &'a BTreeMap<String, String>,
    /// Which installation stamps the pod, and whether it runs in the cluster itself.
    pub installation: Option<(&'a str, bool)>,
}

/// Why no pod can be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A template cannot be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The connection contributes something that cannot be used.
    #[error("connection {name}: {source}")]
    Connection {
        /// The connection.
        name: String,
        /// What is wrong with it.
        #[source]
        source: InvalidConnectionField,
    },
    /// The parameters make no pod.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Renders a definition's templates and builds its pod.
///
/// # Errors
/// [`PlanError`] with all that is wrong.
pub fn plan(
    file: &TaskFile,
    options: &PlanOptions<'_>,
    random: &mut impl Rng,
) -> Result<PodManifest, PlanError> {
    let parameters = render(&file.pod, &template_context(file, options))?;
    let key = options.key;
    let connection = connection_defaults(file, options.connection)?;
    let context = BuildContext {
        task_id: &key.task_id,
        task: Some(TaskInstance {
            dag_id: &key.dag_id,
            task_id: &key.task_id,
            run_id: &key.run_id,
            map_index: key.map_index,
            try_number: options.try_number,
        }),
        connection: &connection,
        service_account_namespace: None,
        stamps: Stamps {
            version: Some(env!("CARGO_PKG_VERSION")),
            in_cluster: options.installation.map(|(_, in_cluster)| in_cluster),
            installation: options.installation.map(|(installation, _)| installation),
        },
        normalise_name: true,
    };
    Ok(build(&parameters, &context, &mut RandomNames::new(random))?)
}

/// The fields of a connection that shape pods.
pub(super) fn connection_defaults(
    file: &TaskFile,
    settings: &ConnectionSettings,
) -> Result<ConnectionDefaults, PlanError> {
    let Ok(Value::Object(fields)) = serde_json::to_value(settings) else {
        return Ok(ConnectionDefaults::default());
    };
    ConnectionDefaults::from_fields(&fields).map_err(|source| PlanError::Connection {
        name: file.pod.kubernetes_conn_id.clone(),
        source,
    })
}

pub(super) fn template_context(file: &TaskFile, options: &PlanOptions<'_>) -> TemplateContext {
    let key = options.key;
    TemplateContext {
        params: file.params.clone(),
        dag_id: key.dag_id.clone(),
        task_id: key.task_id.clone(),
        run_id: key.run_id.clone(),
        map_index: key.map_index,
        try_number: options.try_number,
        logical_date: key.logical_date().unwrap_or(options.submitted_at),
        env: options.template_env.clone(),
    }
}
