//! The base container.

use super::key::{Key, late, pod, templated};
use crate::task::file::kind::Kind;

pub(super) const KEYS: &[Key] = &[
    templated("image", Kind::Text, "The base container's image."),
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
    templated(
        "base_container_name",
        Kind::Text,
        "The container that decides how the task ends.",
    ),
    pod(
        "image_pull_policy",
        Kind::Text,
        "When the image is pulled: Always, IfNotPresent or Never.",
    ),
    templated(
        "container_resources",
        Kind::Object("ResourceRequirements"),
        "Requests and limits of the base container.",
    ),
    pod(
        "container_security_context",
        Kind::FreeMap,
        "Security settings of the base container, passed on as they are.",
    ),
    pod(
        "termination_message_policy",
        Kind::Text,
        "Where a container's last message comes from: File or FallbackToLogsOnError.",
    ),
];
