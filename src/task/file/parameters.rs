//! The parameters of a pod task, under the reference's own names.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::choices::{
    Callback, ContainerSelection, OnFinishAction, OnKillAction, PullSecrets, SecretMount, SkipCodes,
};
use super::seconds;

/// Everything that shapes a task's pod and steers how it is run.
///
/// Kubernetes objects are kept as JSON in API form. They have been read against the API's types,
/// except the three security contexts and the plain maps (labels, annotations, node selector,
/// `env_vars` as a map), which are passed on as they are, as the reference does.
///
/// Absent, `null` and empty mean the same, with the exceptions that the fields name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodParameters {
    /// The connection that says which cluster.
    pub kubernetes_conn_id: String,
    /// The pod's namespace; empty counts as absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The base container's image. Empty is sent, but does not override a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The pod's name before the suffix. Empty is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the name gets a random suffix of eight characters.
    pub random_name_suffix: bool,
    /// The base container's `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmds: Vec<String>,
    /// The base container's `args`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// `ContainerPort` objects of the base container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Value>,
    /// `Volume` objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    /// `VolumeMount` objects of the base container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    /// Environment: a map of names to values, or a list of `EnvVar` objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_vars: Option<Value>,
    /// `EnvFromSource` objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    /// Names of config maps whose entries become environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configmaps: Vec<String>,
    /// `EnvVar` objects that follow `env_vars`, meant for facts about the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_runtime_info_envs: Vec<Value>,
    /// Secrets as environment or volumes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretMount>,
    /// Whether to use the service account of the pod that this program runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_cluster: Option<bool>,
    /// The kubeconfig's context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_context: Option<String>,
    /// The kubeconfig's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// The pod's labels. A null value becomes empty text.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String, Value>,
    /// The pod's annotations.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// Whether a later try or a restart goes on with the pod that is there.
    pub reattach_on_restart: bool,
    /// How long the pod may take to start.
    #[serde(with = "seconds")]
    pub startup_timeout_seconds: Duration,
    /// How long the pod may take to be scheduled; absent: as long as it may take to start.
    #[serde(with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub schedule_timeout_seconds: Option<Duration>,
    /// How often a starting pod is looked at.
    #[serde(with = "seconds")]
    pub startup_check_interval_seconds: Duration,
    /// Whether the containers' logs reach the task's log.
    pub get_logs: bool,
    /// Whose logs; absent: the base container's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_logs: Option<ContainerSelection>,
    /// Whose logs among the init containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_container_logs: Option<ContainerSelection>,
    /// The container that decides the verdict; empty counts as absent.
    pub base_container_name: String,
    /// How often the base container is looked at when the log is followed live.
    #[serde(with = "seconds")]
    pub base_container_status_polling_interval: Duration,
    /// `imagePullPolicy` of the base container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Secrets for the image's registry.
    #[serde(skip_serializing_if = "PullSecrets::is_empty")]
    pub image_pull_secrets: PullSecrets,
    /// `serviceAccountName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// `automountServiceAccountToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// `runtimeClassName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// `priorityClassName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// `schedulerName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedulername: Option<String>,
    /// `hostNetwork`.
    pub hostnetwork: bool,
    /// `HostAlias` objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<Value>,
    /// `hostname`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `subdomain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<String>,
    /// `dnsPolicy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnspolicy: Option<String>,
    /// A `PodDNSConfig`. An empty one replaces a template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<Value>,
    /// `nodeSelector`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub node_selector: Map<String, Value>,
    /// An `Affinity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// `Toleration` objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Value>,
    /// The pod's `securityContext`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub security_context: Map<String, Value>,
    /// The base container's `securityContext`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub container_security_context: Map<String, Value>,
    /// `ResourceRequirements` of the base container. Empty ones replace a template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_resources: Option<Value>,
    /// `terminationGracePeriodSeconds`, also the grace period of a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period: Option<i64>,
    /// `terminationMessagePolicy` of the base container.
    pub termination_message_policy: String,
    /// `activeDeadlineSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// `Container` objects that run first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Value>,
    /// A whole `Pod` that the parameters are laid over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_pod_spec: Option<Value>,
    /// The path of a file with a `Pod` that the rest is laid over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_file: Option<String>,
    /// What stands in that file, read when the task was submitted. Not a key of the task file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_content: Option<String>,
    /// A `Pod` that the rest is laid over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_dict: Option<Value>,
    /// Whether the pod leaves a result in `/airflow/xcom/return.json`.
    pub do_xcom_push: bool,
    /// `securityContext` of the sidecar that keeps the result. Absent: the connection's; an empty
    /// one is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xcom_sidecar_container_security_context: Option<Map<String, Value>>,
    /// Whether a failure puts the pod's events into the log.
    pub log_events_on_failure: bool,
    /// Whether the events of a starting pod reach the log.
    pub log_events_on_startup: bool,
    /// Whether a failure puts the pod's spec, redacted, into the log.
    pub log_pod_spec_on_failure: bool,
    /// Exit codes of the base container that mean `skipped`.
    #[serde(skip_serializing_if = "SkipCodes::is_empty")]
    pub skip_on_exit_code: SkipCodes,
    /// Whether the task lets go of its worker while the pod runs.
    pub deferrable: bool,
    /// The longest time between two looks at a running pod.
    #[serde(with = "seconds")]
    pub poll_interval: Duration,
    /// How often a deferred task fetches its newest logs; absent: when the pod has ended.
    #[serde(with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub logging_interval: Option<Duration>,
    /// What becomes of the pod when the task ends.
    pub on_finish_action: OnFinishAction,
    /// What becomes of the pod when the task is cancelled.
    pub on_kill_action: OnKillAction,
    /// Whom to tell what happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<Callback>,
    /// The registered callback that gets each log line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_callback: Option<String>,
    /// Carried into the trigger's event.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub trigger_kwargs: Map<String, Value>,
    /// Whether log lines carry `[container] `; absent: where more than one container is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name_log_prefix_enabled: Option<bool>,
    /// A template for log lines, with `container` and `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_formatter: Option<String>,
}

impl Default for PodParameters {
    fn default() -> Self {
        Self {
            kubernetes_conn_id: "kubernetes_default".to_owned(),
            namespace: None,
            image: None,
            name: None,
            random_name_suffix: true,
            cmds: Vec::new(),
            arguments: Vec::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            volume_mounts: Vec::new(),
            env_vars: None,
            env_from: Vec::new(),
            configmaps: Vec::new(),
            pod_runtime_info_envs: Vec::new(),
            secrets: Vec::new(),
            in_cluster: None,
            cluster_context: None,
            config_file: None,
            labels: Map::new(),
            annotations: Map::new(),
            reattach_on_restart: true,
            startup_timeout_seconds: Duration::from_secs(120),
            schedule_timeout_seconds: None,
            startup_check_interval_seconds: Duration::from_secs(5),
            get_logs: true,
            container_logs: None,
            init_container_logs: None,
            base_container_name: "base".to_owned(),
            base_container_status_polling_interval: Duration::from_secs(1),
            image_pull_policy: None,
            image_pull_secrets: PullSecrets::default(),
            service_account_name: None,
            automount_service_account_token: None,
            runtime_class_name: None,
            priority_class_name: None,
            schedulername: None,
            hostnetwork: false,
            host_aliases: Vec::new(),
            hostname: None,
            subdomain: None,
            dnspolicy: None,
            dns_config: None,
            node_selector: Map::new(),
            affinity: None,
            tolerations: Vec::new(),
            security_context: Map::new(),
            container_security_context: Map::new(),
            container_resources: None,
            termination_grace_period: None,
            termination_message_policy: "File".to_owned(),
            active_deadline_seconds: None,
            init_containers: Vec::new(),
            full_pod_spec: None,
            pod_template_file: None,
            pod_template_content: None,
            pod_template_dict: None,
            do_xcom_push: false,
            xcom_sidecar_container_security_context: None,
            log_events_on_failure: false,
            log_events_on_startup: true,
            log_pod_spec_on_failure: true,
            skip_on_exit_code: SkipCodes::default(),
            deferrable: true,
            poll_interval: Duration::from_secs(2),
            logging_interval: None,
            on_finish_action: OnFinishAction::default(),
            on_kill_action: OnKillAction::default(),
            callbacks: Vec::new(),
            progress_callback: None,
            trigger_kwargs: Map::new(),
            container_name_log_prefix_enabled: None,
            log_formatter: None,
        }
    }
}

impl PodParameters {
    /// How long the pod may take to be scheduled.
    #[must_use]
    pub fn schedule_timeout(&self) -> Duration {
        self.schedule_timeout_seconds
            .unwrap_or(self.startup_timeout_seconds)
    }
}
