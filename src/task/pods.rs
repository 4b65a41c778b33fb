//! Which pod belongs to which attempt, and what is to become of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A pod that exists or existed: the uid tells it from another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodIdentity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, sent as a precondition with every delete.
    pub uid: String,
}

/// Which cluster a task's pods belong to. Names only: never a credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectionRef {
    /// The connection's name in the configuration.
    pub name: String,
    /// What the task itself says about it.
    #[serde(default, skip_serializing_if = "ConnectionOverrides::is_empty")]
    pub overrides: ConnectionOverrides,
}

/// What a single task says about its connection: the operator's parameters of these names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionOverrides {
    /// Use the service account of the pod that this process runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_cluster: Option<bool>,
    /// Which context of the kubeconfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_context: Option<String>,
    /// A kubeconfig file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<PathBuf>,
}

impl ConnectionOverrides {
    /// Whether the task says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What an attempt is about to create, stored before the create call.
///
/// After a crash the same name is tried again; a 409 is our own pod only if it carries `nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodIntent {
    /// The cluster that gets the pod.
    pub connection: ConnectionRef,
    /// The API server's address then: a connection may lead elsewhere later, and a pod that is
    /// not found there is not gone.
    pub server: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's final name, suffix included.
    pub name: String,
    /// Random text that the pod carries as an annotation.
    pub nonce: String,
    /// SHA-256 of the body that was to be sent, in hex.
    pub body_hash: String,
}

/// A pod on record for an attempt: intended, and created once the uid is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The attempt that the pod serves, counted from 1.
    pub try_number: u32,
    /// What was intended.
    pub intent: PodIntent,
    /// The uid, once the API server has answered the create call.
    pub uid: Option<String>,
    /// What was wished for it when its attempt ended: nobody takes it up again.
    pub disposal: Option<DisposalAction>,
    /// What the last look at it showed when its attempt ended, for people.
    pub observed: Option<serde_json::Value>,
}

impl PodRecord {
    /// The pod's identity, once it has been created.
    #[must_use]
    pub fn identity(&self) -> Option<PodIdentity> {
        self.uid.clone().map(|uid| PodIdentity {
            namespace: self.intent.namespace.clone(),
            name: self.intent.name.clone(),
            uid,
        })
    }
}

/// What is to be done with a pod that its task no longer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisposalAction {
    /// Delete it.
    Delete,
    /// Stop it and keep the object: its `activeDeadlineSeconds` is brought forward.
    Stop,
    /// Keep it, marked as checked: no later attempt takes it up.
    Keep,
}

impl DisposalAction {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Stop => "stop",
            Self::Keep => "keep",
        }
    }

    /// The action that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "delete" => Some(Self::Delete),
            "stop" => Some(Self::Stop),
            "keep" => Some(Self::Keep),
            _ => None,
        }
    }
}

/// A durable wish about a pod, carried out by the janitor until it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposal {
    /// The cluster that holds the pod.
    pub connection: ConnectionRef,
    /// The API server's address when the pod was created.
    pub server: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The pod's uid, if it is known. Otherwise (created, but the answer was lost) the nonce
    /// decides.
    pub uid: Option<String>,
    /// The nonce of the intent, to recognise a pod whose uid is not known.
    pub nonce: String,
    /// What to do.
    pub action: DisposalAction,
}
