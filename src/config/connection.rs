//! What a person may say about a connection. Plain data; the files are read when it is used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::task::pods::ConnectionOverrides;

/// One `[connections.NAME]` section: where a cluster is and how to speak to it.
///
/// `in_cluster`, `kube_config_path` and `kube_config` exclude each other. Without any of them
/// the usual places are tried: `KUBECONFIG`, the service account of the pod that this process
/// runs in, `~/.kube/config`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionSettings {
    /// Use the service account of the pod that this process runs in.
    pub in_cluster: Option<bool>,
    /// A kubeconfig file.
    pub kube_config_path: Option<PathBuf>,
    /// A kubeconfig, written out. Never shown and never stored with a task.
    pub kube_config: Option<Value>,
    /// Which context of the kubeconfig; its `current-context` when absent.
    pub cluster_context: Option<String>,
    /// The namespace of pods that name none.
    pub namespace: Option<String>,
    /// Whether the server's certificate must be valid; true when absent.
    pub verify_ssl: Option<bool>,
    /// How long one request may take, in seconds; 30 when absent. Streams are bounded by silence
    /// instead.
    pub request_timeout_seconds: Option<u64>,
    /// How many requests may be under way at once; 64 when absent. Watches and logs that are
    /// followed count until they are open.
    pub requests_at_once: Option<usize>,
    /// How many logs may be read at once; 16 when absent.
    pub log_reads_at_once: Option<usize>,
    /// The image of the sidecar that keeps a task's result.
    pub xcom_sidecar_container_image: Option<String>,
    /// The sidecar's `resources`, as an object or as JSON text.
    pub xcom_sidecar_container_resources: Option<Value>,
    /// The sidecar's `securityContext`, as an object or as JSON text.
    pub xcom_sidecar_container_security_context: Option<Value>,
}

impl ConnectionSettings {
    /// How long one request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.unwrap_or(30).max(1))
    }

    /// How many requests may be under way at once.
    #[must_use]
    pub fn requests_at_once(&self) -> usize {
        self.requests_at_once.unwrap_or(64).max(1)
    }

    /// How many logs may be read at once.
    #[must_use]
    pub fn log_reads_at_once(&self) -> usize {
        self.log_reads_at_once.unwrap_or(16).max(1)
    }

    /// These settings as one task wants them: a source that the task names replaces the
    /// connection's source, it does not clash with it.
    #[must_use]
    pub fn with_overrides(&self, overrides: &ConnectionOverrides) -> Self {
        let mut settings = self.clone();
        if overrides.in_cluster.is_some() || overrides.config_file.is_some() {
            settings.in_cluster = None;
            settings.kube_config_path = None;
            settings.kube_config = None;
        }
        if let Some(in_cluster) = overrides.in_cluster {
            settings.in_cluster = Some(in_cluster);
            // "Not in the cluster" says nothing about which file, so the connection's stays.
            if !in_cluster && overrides.config_file.is_none() {
                settings.kube_config_path.clone_from(&self.kube_config_path);
                settings.kube_config.clone_from(&self.kube_config);
            }
        }
        if let Some(path) = &overrides.config_file {
            settings.kube_config_path = Some(path.clone());
        }
        if let Some(context) = &overrides.cluster_context {
            settings.cluster_context = Some(context.clone());
        }
        settings
    }
}

/// Shows everything but the credentials that an inline kubeconfig may hold.
impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings")
            .field("in_cluster", &self.in_cluster)
            .field("kube_config_path", &self.kube_config_path)
            .field(
                "kube_config",
                &self.kube_config.as_ref().map(|_| "(hidden)"),
            )
            .field("cluster_context", &self.cluster_context)
            .field("namespace", &self.namespace)
            .field("verify_ssl", &self.verify_ssl)
            .field("request_timeout_seconds", &self.request_timeout_seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_replaces_the_source_and_keeps_the_rest() {
        let settings = ConnectionSettings {
            kube_config_path: Some("/etc/one".into()),
            namespace: Some("jobs".into()),
            cluster_context: Some("a".into()),
            ..ConnectionSettings::default()
        };
        let seen = settings.with_overrides(&ConnectionOverrides {
            in_cluster: Some(true),
            ..ConnectionOverrides::default()
        });
        assert_eq!(seen.in_cluster, Some(true));
        assert_eq!(seen.kube_config_path, None);
        assert_eq!(seen.namespace.as_deref(), Some("jobs"));

        let seen = settings.with_overrides(&ConnectionOverrides {
            in_cluster: Some(false),
            cluster_context: Some("b".into()),
            ..ConnectionOverrides::default()
        });
        assert_eq!(seen.kube_config_path, Some("/etc/one".into()));
        assert_eq!(seen.cluster_context.as_deref(), Some("b"));

        let seen = settings.with_overrides(&ConnectionOverrides {
            config_file: Some("/etc/two".into()),
            ..ConnectionOverrides::default()
        });
        assert_eq!(seen.kube_config_path, Some("/etc/two".into()));
    }

    #[test]
    fn an_inline_kubeconfig_is_never_shown() {
        let settings = ConnectionSettings {
            kube_config: Some(serde_json::json!({"users": [{"user": {"token": "s3cret"}}]})),
            ..ConnectionSettings::default()
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("(hidden)"), "{shown}");
    }
}
