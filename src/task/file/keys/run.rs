//! How the pod is run and watched.

use super::key::{Key, pod, templated};
use crate::task::file::kind::Kind;

pub(super) const KEYS: &[Key] = &[
    templated(
        "kubernetes_conn_id",
        Kind::Text,
        "The [connections.NAME] section of the settings that says which cluster.",
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
    pod(
        "base_container_status_polling_interval",
        Kind::Seconds,
        "How often the base container is looked at while its log is followed live.",
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
        Kind::LineTemplate,
        "A template for log lines, with container and message.",
    ),
];
