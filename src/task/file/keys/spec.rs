//! The pod around the base container.

use super::key::{Key, WHOLE, late, pod, templated};
use crate::task::file::kind::Kind;

pub(super) const KEYS: &[Key] = &[
    templated(
        "namespace",
        Kind::Text,
        "The pod's namespace. Else the template's, the connection's, the service account's, or default.",
    ),
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
        "volumes",
        Kind::Objects("Volume"),
        "The pod's volumes, added to those of a template.",
    ),
    late(
        "labels",
        Kind::Scalars,
        "The pod's labels. The task's own labels win over them.",
    ),
    templated("annotations", Kind::Scalars, "The pod's annotations."),
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
        "termination_grace_period",
        WHOLE,
        "Seconds between the polite and the forced end of the containers.",
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
];
