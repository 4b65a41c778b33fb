//! What the table says about a key.

use super::{container, engine, run, spec};
use crate::task::file::kind::Kind;
use crate::task::file::problem::Stage;

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

pub(super) const fn of_engine(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        name,
        kind,
        owner: Owner::Engine,
        stage: Stage::Parameters,
        templated: false,
        description,
    }
}

pub(super) const fn pod(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        owner: Owner::Pod,
        ..of_engine(name, kind, description)
    }
}

pub(super) const fn templated(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        templated: true,
        ..pod(name, kind, description)
    }
}

/// A templated key whose wrong values show only when the pod is made.
pub(super) const fn late(name: &'static str, kind: Kind, description: &'static str) -> Key {
    Key {
        stage: Stage::Build,
        ..templated(name, kind, description)
    }
}

pub(super) const WHOLE: Kind = Kind::Integer {
    min: i64::MIN,
    max: i64::MAX,
};

/// The keys, in the order in which the schema lists them.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    [engine::KEYS, container::KEYS, spec::KEYS, run::KEYS]
        .into_iter()
        .flatten()
}

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
    all().find(|key| key.name == name)
}
