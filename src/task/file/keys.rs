//! Every key that a task file may hold: one table for parsing, for the schema, and for templates.

use super::kind::Kind;
use super::problem::Stage;

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The engine's: who the task is and when it is tried.
    Engine,
    /// The pod's.
    Pod,
}

/// One key of the task file.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) owner: Owner,
    /// When a value of the wrong type would show.
    pub(crate) stage: Stage,
    /// Whether templates in it are rendered.
    pub(crate) templated: bool,
    /// For the schema.
    pub(crate) description: &'static str,
}

const fn engine(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        name,
        kind,
        owner: Owner::Engine,
        stage: Stage::Parameters,
        templated: false,
        description,
    }
}

const fn pod(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        owner: Owner::Pod,
        ..engine(name, kind, description)
    }
}

const fn templated(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        templated: true,
        ..pod(name, kind, description)
    }
}

/// A templated key whose wrong values show only when the pod is made.
const fn late(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        stage: Stage::Build,
        ..templated(name, kind, description)
    }
}

const WHOLE: Kind = Kind::Integer {
    min: i64::MIN,
    max: i64::MAX,
};

/// The keys, in the order in which the schema lists them.
pub(crate) const KEYS: &[Key] = &[
    engine(
        "task_id",
        Kind::Text,
        "The task's name inside its group. Letters, digits, dots, dashes and underscores.",
    ),
    engine(
        "dag_id",
        Kind::Text,
        "The group of tasks that this one belongs to.",
    ),
    engine(
        "run_id",
        Kind::Text,
        "Which run of the group. Submitting the same run again gives the same task. Default: manual__ and the time.",
    ),
    engine(
        "map_index",
        Kind::Integer {
            min: -1,
            max: i32::MAX as i64,
        },
        "Which of several mapped instances; -1 when the task is not mapped.",
    ),
    engine(
        "params",
        Kind::FreeMap,
        "Values for templates, as params.NAME.",
    ),
    engine(
        "retries",
        Kind::Integer {
            min: 0,
            max: u32::MAX as i64,
        },
        "How many tries may follow a failed one.",
    ),
    engine(
        "retry_delay",
        Kind::Seconds,
        "How long to wait before the next try.",
    ),
    engine(
        "retry_exponential_backoff",
        Kind::Backoff,
        "true doubles the delay with each try, a number multiplies it; both add jitter.",
    ),
    engine(
        "max_retry_delay",
        Kind::Seconds,
        "No delay between tries is longer than this.",
    ),
    engine(
        "execution_timeout",
        Kind::Seconds,
        "How long one try may take, the time spent deferred included.",
    ),
    templated(
        "kubernetes_conn_id",
        Kind::Text,
        "The [connections.NAME] section of the settings that says which cluster.",
    ),
    templated(
        "namespace",
        Kind::Text,
        "The pod's namespace. Else the template's, the connection's, the service account's, or default.",
    ),
    templated("image", Kind::Text, "The base container's image."),
    late(
        "name",
        Kind::Text,
        "The pod's name, made fit for Kubernetes. Default: made from task_id.",
    ),
    pod(
        "random_name_suffix",
        Kind::Boolean,
        "Whether the name gets a random suffix of eight characters.",
    ),
    templated(
        "cmds",
        Kind::Texts,
        "The base container's command, in place of the image's entrypoint.",
    ),
    templated(
        "arguments",
        Kind::Texts,
        "The base container's args, in place of the image's.",
    ),
    pod(
        "ports",
        Kind::Objects("ContainerPort"),
        "Ports of the base container.",
    ),
    templated(
        "volumes",
        Kind::Objects("Volume"),
        "The pod's volumes, added to those of a template.",
    ),
    templated(
        "volume_mounts",
        Kind::Objects("VolumeMount"),
        "Where the base container sees volumes.",
    ),
    late(
        "env_vars",
        Kind::Environment,
        "Environment of the base container: a mapping of names to texts, or a list of EnvVar objects.",
    ),
    templated(
        "env_from",
        Kind::Objects("EnvFromSource"),
        "Config maps and secrets whose entries become environment variables.",
    ),
    templated(
        "configmaps",
        Kind::Texts,
        "Names of config maps whose entries become environment variables.",
    ),
    pod(
        "pod_runtime_info_envs",
        Kind::Objects("EnvVar"),
        "Environment that tells the container about its pod; comes after env_vars.",
    ),
    pod(
        "secrets",
        Kind::Secrets,
        "Secrets as environment variables or as files.",
    ),
    pod(
        "in_cluster",
        Kind::Boolean,
        "Use the service account of the pod that Adjourn runs in.",
    ),
    templated(
        "cluster_context",
        Kind::Text,
        "The context of the kubeconfig.",
    ),
    templated("config_file", Kind::Text, "The path of the kubeconfig."),
    late(
        "labels",
        Kind::Scalars,
        "The pod's labels. The task's own labels win over them.",
    ),
    templated("annotations", Kind::Scalars, "The pod's annotations."),
    pod(
        "reattach_on_restart",
        Kind::Boolean,
        "Whether a later try or a restart goes on with the pod that is there.",
    ),
    pod("durable", Kind::Boolean, "The same as reattach_on_restart."),
    pod(
        "startup_timeout_seconds",
        Kind::Seconds,
        "How long the pod may take from being scheduled to running.",
    ),
    pod(
        "schedule_timeout_seconds",
        Kind::Seconds,
        "How long the pod may take to be scheduled. Default: startup_timeout_seconds.",
    ),
    pod(
        "startup_check_interval_seconds",
        Kind::Seconds,
        "How often a starting pod is looked at.",
    ),
    pod(
        "get_logs",
        Kind::Boolean,
        "Whether the containers' logs reach the task's log.",
    ),
    pod(
        "container_logs",
        Kind::Containers,
        "Containers whose logs are kept: a name, a list, or true for all. Default: the base container.",
    ),
    pod(
        "init_container_logs",
        Kind::Containers,
        "Init containers whose logs are kept: a name, a list, or true for all.",
    ),
    templated(
        "base_container_name",
        Kind::Text,
        "The container that decides how the task ends.",
    ),
    pod(
        "base_container_status_polling_interval",
        Kind::Seconds,
        "How often the base container is looked at while its log is followed live.",
    ),
    pod(
        "image_pull_policy",
        Kind::Text,
        "When the image is pulled: Always, IfNotPresent or Never.",
    ),
    pod(
        "image_pull_secrets",
        Kind::PullSecrets,
        "Secrets for the image's registry: names separated by commas, or objects with a name.",
    ),
    pod(
        "service_account_name",
        Kind::Text,
        "The service account that the pod runs as.",
    ),
    pod(
        "automount_service_account_token",
        Kind::Boolean,
        "Whether the service account's token is mounted.",
    ),
    pod(
        "runtime_class_name",
        Kind::Text,
        "The RuntimeClass of the pod.",
    ),
    pod(
        "priority_class_name",
        Kind::Text,
        "The PriorityClass of the pod.",
    ),
    pod(
        "schedulername",
        Kind::Text,
        "The scheduler that places the pod.",
    ),
    pod(
        "hostnetwork",
        Kind::Boolean,
        "Whether the pod uses its node's network.",
    ),
    pod(
        "host_aliases",
        Kind::Objects("HostAlias"),
        "Extra lines for the pod's hosts file.",
    ),
    templated("hostname", Kind::Text, "The pod's host name."),
    pod(
        "subdomain",
        Kind::Text,
        "The subdomain of the pod's full host name.",
    ),
    pod(
        "dnspolicy",
        Kind::Text,
        "The DNS policy: ClusterFirst, ClusterFirstWithHostNet, Default or None.",
    ),
    pod(
        "dns_config",
        Kind::Object("PodDNSConfig"),
        "DNS settings of the pod.",
    ),
    templated(
        "node_selector",
        Kind::Scalars,
        "Labels that the pod's node must have.",
    ),
    pod(
        "affinity",
        Kind::Object("Affinity"),
        "Rules about nodes and other pods near which the pod runs.",
    ),
    pod(
        "tolerations",
        Kind::Objects("Toleration"),
        "Taints that the pod puts up with.",
    ),
    pod(
        "security_context",
        Kind::FreeMap,
        "Security settings of the pod, passed on as they are.",
    ),
    pod(
        "container_security_context",
        Kind::FreeMap,
        "Security settings of the base container, passed on as they are.",
    ),
    templated(
        "container_resources",
        Kind::Object("ResourceRequirements"),
        "Requests and limits of the base container.",
    ),
    pod(
        "termination_grace_period",
        WHOLE,
        "Seconds between the polite and the forced end of the containers.",
    ),
    pod(
        "termination_message_policy",
        Kind::Text,
        "Where a container's last message comes from: File or FallbackToLogsOnError.",
    ),
    pod(
        "active_deadline_seconds",
        WHOLE,
        "Seconds after which Kubernetes ends the pod.",
    ),
    pod(
        "init_containers",
        Kind::Objects("Container"),
        "Containers that run, one after another, before the base container.",
    ),
    pod(
        "full_pod_spec",
        Kind::Object("Pod"),
        "A whole pod that the other parameters are laid over.",
    ),
    templated(
        "pod_template_file",
        Kind::Text,
        "The path of a file with a pod that everything else is laid over. Read when the task is submitted.",
    ),
    late(
        "pod_template_dict",
        Kind::Object("Pod"),
        "A pod that everything else is laid over.",
    ),
    pod(
        "do_xcom_push",
        Kind::Boolean,
        "Whether /airflow/xcom/return.json becomes the task's result.",
    ),
    pod(
        "xcom_sidecar_container_security_context",
        Kind::FreeMap,
        "Security settings of the sidecar that keeps the result.",
    ),
    pod(
        "log_events_on_failure",
        Kind::Boolean,
        "Whether a failure puts the pod's events into the log.",
    ),
    pod(
        "log_events_on_startup",
        Kind::Boolean,
        "Whether the events of a starting pod reach the log.",
    ),
    pod(
        "log_pod_spec_on_failure",
        Kind::Boolean,
        "Whether a failure puts the pod's spec, redacted, into the log.",
    ),
    pod(
        "skip_on_exit_code",
        Kind::ExitCodes,
        "Exit codes of the base container that mean skipped.",
    ),
    pod(
        "deferrable",
        Kind::Boolean,
        "Whether the task lets go of its worker while the pod runs.",
    ),
    pod(
        "poll_interval",
        Kind::Seconds,
        "The longest time between two looks at a running pod.",
    ),
    pod(
        "logging_interval",
        Kind::Seconds,
        "How often a deferred task fetches its newest logs. Absent: once, when the pod has ended.",
    ),
    pod(
        "on_finish_action",
        Kind::Word(&[
            "delete_pod",
            "delete_succeeded_pod",
            "delete_active_pod",
            "keep_pod",
        ]),
        "What becomes of the pod when the task ends.",
    ),
    pod(
        "is_delete_operator_pod",
        Kind::Boolean,
        "Old name: true is on_finish_action: delete_pod, false is keep_pod.",
    ),
    pod(
        "on_kill_action",
        Kind::Word(&["delete_pod", "keep_pod"]),
        "What becomes of the pod when the task is cancelled.",
    ),
    pod(
        "callbacks",
        Kind::Callbacks,
        "Whom to tell what happens: names of registered callbacks, and webhook objects.",
    ),
    pod(
        "progress_callback",
        Kind::Text,
        "The registered callback that gets each log line.",
    ),
    templated(
        "trigger_kwargs",
        Kind::FreeMap,
        "Carried into the event that ends the wait.",
    ),
    pod(
        "container_name_log_prefix_enabled",
        Kind::Boolean,
        "Whether log lines carry the container's name. Absent: where more than one container is shown.",
    ),
    pod(
        "log_formatter",
        Kind::Text,
        "A template for log lines, with container and message.",
    ),
];

/// Names from elsewhere that mean one of ours.
pub(crate) const ELSEWHERE: &[(&str, &str)] = &[
    ("command", "cmds"),
    ("cmd", "cmds"),
    ("args", "arguments"),
    ("env", "env_vars"),
    ("environment", "env_vars"),
    ("resources", "container_resources"),
    ("timeout", "execution_timeout"),
    ("id", "task_id"),
    ("imagePullPolicy", "image_pull_policy"),
    ("restartPolicy", "retries"),
    ("serviceAccount", "service_account_name"),
    ("containers", "full_pod_spec"),
    ("spec", "full_pod_spec"),
    ("terminationGracePeriodSeconds", "termination_grace_period"),
    ("config_maps", "configmaps"),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
