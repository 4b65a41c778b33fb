//! Parameters and a context in, a pod out.

use serde_json::{Map, Value, json};

use super::attach::{self, MissingTarget, Sidecar};
use super::connection::ConnectionDefaults;
use super::label::{self, Stamps, TaskInstance};
use super::manifest::PodManifest;
use super::merge::{self, LostInitContainer, Object};
use super::name::{self, InvalidName, LONGEST_POD_NAME, Names, SUFFIX_LENGTH};
use super::template::{self, InvalidTemplate};
use crate::task::file::{PodParameters, PullSecrets};

/// What the builder knows besides the parameters.
#[derive(Debug, Clone, Copy)]
pub struct BuildContext<'a> {
    /// The task's name, from which a pod without a name gets one.
    pub task_id: &'a str,
    /// Whose pod it is. Without it, the pod gets no identity labels.
    pub task: Option<TaskInstance<'a>>,
    /// What the connection contributes.
    pub connection: &'a ConnectionDefaults,
    /// The namespace of the pod that this program runs in.
    pub service_account_namespace: Option<&'a str>,
    /// Labels of our own.
    pub stamps: Stamps<'a>,
    /// Whether the `name` parameter is checked and made fit. Only the dry run leaves it as it is.
    pub normalise_name: bool,
}

/// Why no pod can be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// The name cannot be used.
    #[error("name: {0}")]
    Name(#[source] InvalidName),
    /// `env_vars` is neither a mapping nor a list.
    #[error("env_vars: must be a mapping of names to values, or a list of EnvVar objects")]
    Environment,
    /// A template or a whole pod cannot be used.
    #[error(transparent)]
    Template(#[from] InvalidTemplate),
    /// Two init containers of which one would be lost.
    #[error("init_containers: {0}")]
    InitContainers(#[from] LostInitContainer),
    /// A secret without a target.
    #[error(transparent)]
    Secret(#[from] MissingTarget),
    /// An image pull secret without a name.
    #[error(
        "image_pull_secrets: a name is empty: give names separated by single commas, as in a,b"
    )]
    EmptyPullSecret,
}

/// Builds the pod of a task.
///
/// The same pod as the reference builds. Whether the API server would take it is another question:
/// see [`validate`](super::validate).
///
/// # Errors
/// If no pod can be made from the parameters.
pub fn build(
    parameters: &PodParameters,
    context: &BuildContext<'_>,
    names: &mut impl Names,
) -> Result<PodManifest, BuildError> {
    let mut pod = Object::new();
    if let Some(template) = template::of(parameters)? {
        pod = template;
    }
    if let Some(Value::Object(full)) = &parameters.full_pod_spec {
        pod = merge::pods(pod, full.clone())?;
    }
    let mut pod = merge::pods(pod, from_parameters(parameters, context)?)?;

    // Merging leaves both objects in place, because the parameters contribute both.
    let mut metadata = take_object(&mut pod, "metadata");
    let mut spec = take_object(&mut pod, "spec");
    set_name(&mut metadata, parameters, context, names)?;
    set_namespace(&mut metadata, context);
    attach::secrets(&mut spec, &parameters.secrets, names)?;
    if parameters.do_xcom_push {
        attach::xcom_sidecar(&mut spec, sidecar(parameters, context));
    }
    set_labels(&mut metadata, context);

    let mut result = Object::new();
    result.insert("apiVersion".to_owned(), "v1".into());
    result.insert("kind".to_owned(), "Pod".into());
    result.insert("metadata".to_owned(), metadata.into());
    result.insert("spec".to_owned(), spec.into());
    pod.remove("apiVersion");
    pod.remove("kind");
    result.extend(pod);
    Ok(PodManifest::new(result.into()))
}

fn take_object(parent: &mut Object, field: &str) -> Object {
    match parent.remove(field) {
        Some(Value::Object(object)) => object,
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        )
        | None => Object::new(),
    }
}

/// The pod that the parameters alone describe.
fn from_parameters(
    parameters: &PodParameters,
    context: &BuildContext<'_>,
) -> Result<Object, BuildError> {
    let mut metadata = Object::new();
    if let Some(name) = &parameters.name {
        let name = if context.normalise_name {
            name::normalise(name).map_err(BuildError::Name)?
        } else {
            name.clone()
        };
        metadata.insert("name".to_owned(), name.into());
    }
    set(&mut metadata, "namespace", &parameters.namespace);
    metadata.insert(
        "labels".to_owned(),
        label::without_nulls(&parameters.labels).into(),
    );
    metadata.insert(
        "annotations".to_owned(),
        parameters.annotations.clone().into(),
    );
    let mut pod = Object::new();
    pod.insert("metadata".to_owned(), metadata.into());
    pod.insert("spec".to_owned(), spec(parameters)?.into());
    Ok(pod)
}

fn spec(parameters: &PodParameters) -> Result<Object, BuildError> {
    let mut spec = Object::new();
    spec.insert("containers".to_owned(), json!([container(parameters)?]));
    set_list(&mut spec, "initContainers", &parameters.init_containers);
    set_list(&mut spec, "volumes", &parameters.volumes);
    set_list(&mut spec, "tolerations", &parameters.tolerations);
    set_list(&mut spec, "hostAliases", &parameters.host_aliases);
    spec.insert(
        "imagePullSecrets".to_owned(),
        pull_secrets(&parameters.image_pull_secrets)?.into(),
    );
    set_map(&mut spec, "nodeSelector", &parameters.node_selector);
    set_map(&mut spec, "securityContext", &parameters.security_context);
    if let Some(affinity) = parameters
        .affinity
        .as_ref()
        .filter(|affinity| has_members(affinity))
    {
        spec.insert("affinity".to_owned(), affinity.clone());
    }
    if let Some(dns_config) = &parameters.dns_config {
        spec.insert("dnsConfig".to_owned(), dns_config.clone());
    }
    spec.insert("hostNetwork".to_owned(), parameters.hostnetwork.into());
    spec.insert("restartPolicy".to_owned(), "Never".into());
    set(
        &mut spec,
        "serviceAccountName",
        &parameters.service_account_name,
    );
    set(
        &mut spec,
        "automountServiceAccountToken",
        &parameters.automount_service_account_token,
    );
    set(&mut spec, "hostname", &parameters.hostname);
    set(&mut spec, "subdomain", &parameters.subdomain);
    set(&mut spec, "dnsPolicy", &parameters.dnspolicy);
    set(&mut spec, "schedulerName", &parameters.schedulername);
    set(
        &mut spec,
        "priorityClassName",
        &parameters.priority_class_name,
    );
    set(
        &mut spec,
        "runtimeClassName",
        &parameters.runtime_class_name,
    );
    set(
        &mut spec,
        "activeDeadlineSeconds",
        &parameters.active_deadline_seconds,
    );
    set(
        &mut spec,
        "terminationGracePeriodSeconds",
        &parameters.termination_grace_period,
    );
    Ok(spec)
}

fn container(parameters: &PodParameters) -> Result<Object, BuildError> {
    let mut container = Object::new();
    let name = match parameters.base_container_name.as_str() {
        "" => "base",
        name => name,
    };
    container.insert("name".to_owned(), name.into());
    set(&mut container, "image", &parameters.image);
    set(
        &mut container,
        "imagePullPolicy",
        &parameters.image_pull_policy,
    );
    container.insert("command".to_owned(), parameters.cmds.clone().into());
    container.insert("args".to_owned(), parameters.arguments.clone().into());
    container.insert("env".to_owned(), environment(parameters)?.into());
    let mut sources = parameters.env_from.clone();
    sources.extend(
        parameters
            .configmaps
            .iter()
            .map(|name| json!({"configMapRef": {"name": name}})),
    );
    container.insert("envFrom".to_owned(), sources.into());
    set_list(&mut container, "ports", &parameters.ports);
    set_list(&mut container, "volumeMounts", &parameters.volume_mounts);
    if let Some(resources) = &parameters.container_resources {
        container.insert("resources".to_owned(), resources.clone());
    }
    set_map(
        &mut container,
        "securityContext",
        &parameters.container_security_context,
    );
    container.insert(
        "terminationMessagePolicy".to_owned(),
        parameters.termination_message_policy.clone().into(),
    );
    Ok(container)
}

/// `env_vars` in the order given, then what tells the container about its pod.
fn environment(parameters: &PodParameters) -> Result<Vec<Value>, BuildError> {
    let mut variables = match &parameters.env_vars {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(variables)) => variables.clone(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(name, value)| {
                if value.is_null() {
                    json!({"name": name})
                } else {
                    json!({"name": name, "value": value})
                }
            })
            .collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            return Err(BuildError::Environment);
        }
    };
    variables.extend(parameters.pod_runtime_info_envs.iter().cloned());
    Ok(variables)
}

fn pull_secrets(secrets: &PullSecrets) -> Result<Vec<Value>, BuildError> {
    match secrets {
        PullSecrets::References(references) => Ok(references.clone()),
        PullSecrets::Names(names) if names.is_empty() => Ok(Vec::new()),
        PullSecrets::Names(names) => names
            .split(',')
            .map(|name| match name {
                "" => Err(BuildError::EmptyPullSecret),
                name => Ok(json!({"name": name})),
            })
            .collect(),
    }
}

fn sidecar(parameters: &PodParameters, context: &BuildContext<'_>) -> Sidecar {
    let connection = context.connection;
    Sidecar {
        image: connection.xcom_sidecar_container_image.clone(),
        resources: connection
            .xcom_sidecar_container_resources
            .clone()
            .filter(has_members),
        security_context: parameters
            .xcom_sidecar_container_security_context
            .clone()
            .map(Value::Object)
            .or_else(|| connection.xcom_sidecar_container_security_context.clone()),
    }
}

fn set_name(
    metadata: &mut Object,
    parameters: &PodParameters,
    context: &BuildContext<'_>,
    names: &mut impl Names,
) -> Result<(), BuildError> {
    let given = metadata
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let base = match given {
        Some(name) => name.to_owned(),
        None => name::from_ids(None, Some(context.task_id), LONGEST_POD_NAME)
            .map_err(BuildError::Name)?,
    };
    let name = if parameters.random_name_suffix {
        name::with_suffix(&base, &names.suffix(SUFFIX_LENGTH), LONGEST_POD_NAME)
    } else {
        base
    };
    metadata.insert("name".to_owned(), name.into());
    Ok(())
}

fn set_namespace(metadata: &mut Object, context: &BuildContext<'_>) {
    let given = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .is_some_and(|namespace| !namespace.is_empty());
    if given {
        return;
    }
    let namespace = [
        context.connection.namespace.as_deref(),
        context.service_account_namespace,
    ]
    .into_iter()
    .flatten()
    .find(|namespace| !namespace.is_empty())
    .unwrap_or("default");
    metadata.insert("namespace".to_owned(), namespace.into());
}

/// Labels of our own beat the user's and the template's.
fn set_labels(metadata: &mut Object, context: &BuildContext<'_>) {
    let mut labels = take_object(metadata, "labels");
    let task = context.task.as_ref().map(label::of_task);
    for (key, value) in task
        .into_iter()
        .flatten()
        .chain(label::of_stamps(&context.stamps))
    {
        labels.insert(key.to_owned(), value.into());
    }
    metadata.insert("labels".to_owned(), labels.into());
}

fn has_members(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
}

fn set<T: Clone + Into<Value>>(object: &mut Object, field: &str, value: &Option<T>) {
    if let Some(value) = value {
        object.insert(field.to_owned(), value.clone().into());
    }
}

fn set_list(object: &mut Object, field: &str, items: &[Value]) {
    object.insert(field.to_owned(), items.to_vec().into());
}

fn set_map(object: &mut Object, field: &str, map: &Map<String, Value>) {
    if !map.is_empty() {
        object.insert(field.to_owned(), map.clone().into());
    }
}
