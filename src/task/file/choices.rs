//! Parameter values with a few forms or a few words.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What becomes of the pod when its task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFinishAction {
    /// It is deleted.
    #[default]
    DeletePod,
    /// It is deleted if it succeeded.
    DeleteSucceededPod,
    /// It is deleted if it is still pending or running.
    DeleteActivePod,
    /// It is kept.
    KeepPod,
}

/// What becomes of the pod when its task is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnKillAction {
    /// It is deleted.
    #[default]
    DeletePod,
    /// It is left alone.
    KeepPod,
}

/// Containers whose logs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContainerSelection {
    /// All (`true`) or none (`false`).
    All(bool),
    /// One, by its whole name.
    One(String),
    /// These, by name.
    Named(Vec<String>),
}

/// Which of a pod's containers a selection means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectedContainers {
    /// Those that the pod has, in the order of the selection.
    pub found: Vec<String>,
    /// Names that the pod has no container of.
    pub missing: Vec<String>,
}

impl ContainerSelection {
    /// Looks the selection up among the containers that a pod has.
    #[must_use]
    pub fn among(&self, containers: &[String]) -> SelectedContainers {
        let wanted = match self {
            Self::All(true) => containers,
            Self::All(false) => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Named(names) => names,
        };
        let (found, missing) = wanted
            .iter()
            .cloned()
            .partition(|name| containers.contains(name));
        SelectedContainers { found, missing }
    }
}

/// `image_pull_secrets`: comma-separated names, or a list of `LocalObjectReference` objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PullSecrets {
    /// Names, separated by commas and nothing else.
    Names(String),
    /// Objects with a `name`.
    References(Vec<Value>),
}

impl Default for PullSecrets {
    fn default() -> Self {
        Self::References(Vec::new())
    }
}

impl PullSecrets {
    /// Whether none are asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Names(names) => names.is_empty(),
            Self::References(references) => references.is_empty(),
        }
    }
}

/// How a secret reaches the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployType {
    /// As one environment variable, or all its keys as variables.
    Env,
    /// As files.
    Volume,
}

/// One entry of `secrets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretMount {
    /// As what it appears.
    pub deploy_type: DeployType,
    /// The variable's name, or the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_target: Option<String>,
    /// The secret's name.
    pub secret: String,
    /// Which key becomes the variable; absent: all of them under their own names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `KeyToPath` objects: which keys become files, and where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
}

/// `skip_on_exit_code`: exit codes of the base container that mean `skipped`. A null among them
/// stands for a container that has no exit code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "SkipCodesForm")]
pub struct SkipCodes(Vec<Option<i64>>);

impl SkipCodes {
    /// These codes.
    #[must_use]
    pub fn new(codes: impl IntoIterator<Item = i64>) -> Self {
        Self(codes.into_iter().map(Some).collect())
    }

    /// Whether no code means `skipped`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `code` means `skipped`.
    #[must_use]
    pub fn contains(&self, code: i64) -> bool {
        self.matches(Some(code))
    }

    /// Whether that code, or having none, means `skipped`.
    #[must_use]
    pub fn matches(&self, code: Option<i64>) -> bool {
        self.0.contains(&code)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SkipCodesForm {
    /// As in the reference, true is 1 and false is 0.
    Flag(bool),
    One(i64),
    Many(Vec<Option<i64>>),
    None(()),
}

impl From<SkipCodesForm> for SkipCodes {
    fn from(form: SkipCodesForm) -> Self {
        Self(match form {
            SkipCodesForm::Flag(flag) => vec![Some(i64::from(flag))],
            SkipCodesForm::One(code) => vec![Some(code)],
            SkipCodesForm::Many(codes) => codes,
            SkipCodesForm::None(()) => Vec::new(),
        })
    }
}

/// What a callback can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "the reference's own names")]
pub enum CallbackEvent {
    /// The blocking client is ready.
    OnSyncClientCreation,
    /// The client of the trigger is ready.
    OnAsyncClientCreation,
    /// The pod is built and not yet sent.
    OnPodManifestCreated,
    /// The pod exists.
    OnPodCreation,
    /// The pod is about to start.
    OnPodStarting,
    /// The pod has ended.
    OnPodCompletion,
    /// The pod's result and logs have been fetched.
    OnPodTeardown,
    /// The pod has been disposed of.
    OnPodCleanup,
    /// A deferred task goes on.
    OnOperatorResuming,
    /// A log line was read.
    ProgressCallback,
}

impl CallbackEvent {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::OnSyncClientCreation,
        Self::OnAsyncClientCreation,
        Self::OnPodManifestCreated,
        Self::OnPodCreation,
        Self::OnPodStarting,
        Self::OnPodCompletion,
        Self::OnPodTeardown,
        Self::OnPodCleanup,
        Self::OnOperatorResuming,
        Self::ProgressCallback,
    ];

    /// The name in a task file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnSyncClientCreation => "on_sync_client_creation",
            Self::OnAsyncClientCreation => "on_async_client_creation",
            Self::OnPodManifestCreated => "on_pod_manifest_created",
            Self::OnPodCreation => "on_pod_creation",
            Self::OnPodStarting => "on_pod_starting",
            Self::OnPodCompletion => "on_pod_completion",
            Self::OnPodTeardown => "on_pod_teardown",
            Self::OnPodCleanup => "on_pod_cleanup",
            Self::OnOperatorResuming => "on_operator_resuming",
            Self::ProgressCallback => "progress_callback",
        }
    }
}

impl fmt::Display for CallbackEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of `callbacks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Callback {
    /// A callback that the program has registered under this name.
    Registered(String),
    /// A request to a web server.
    Webhook {
        /// Where and what.
        webhook: Webhook,
    },
}

/// An HTTP request for each event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where the event is posted.
    pub url: String,
    /// Which events; empty: all but log lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<CallbackEvent>,
    /// Headers to send along.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub headers: std::collections::BTreeMap<String, String>,
}
