//! The settings themselves and their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConnectionSettings;

/// Every setting, with its default where nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where tasks are kept.
    pub store: StoreConfig,
    /// How many steps run at once, and how claims are held.
    pub worker: WorkerConfig,
    /// How pods are disposed of, and when tasks that have ended are removed.
    pub janitor: JanitorConfig,
    /// How much of the tasks' logs is kept.
    pub task_log: TaskLogConfig,
    /// What templates may see.
    pub templates: TemplateConfig,
    /// What this program says about itself.
    pub log: LogConfig,
    /// The HTTP API of `serve`.
    pub http: HttpConfig,
    /// The local cluster.
    pub local_cluster: LocalClusterConfig,
    /// The clusters, by the names that tasks use for them.
    pub connections: BTreeMap<String, ConnectionSettings>,
}

impl Config {
    /// What a daemon that works by these settings goes on with after it has read `new`.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Self {
        Self {
            store: self.store.clone(),
            worker: WorkerConfig {
                lease_seconds: self.worker.lease_seconds,
                ..new.worker
            },
            log: LogConfig {
                format: self.log.format,
                ..new.log
            },
            http: HttpConfig {
                listen: self.http.listen.clone(),
                tokens_file: self.http.tokens_file.clone(),
                tls_cert: self.http.tls_cert.clone(),
                tls_key: self.http.tls_key.clone(),
                ..new.http
            },
            local_cluster: self.local_cluster.clone(),
            janitor: new.janitor,
            task_log: new.task_log,
            templates: new.templates,
            connections: new.connections,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The database; in the state directory when absent.
    pub path: Option<PathBuf>,
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// How many steps run at once.
    pub slots: usize,
    /// How long a claim lasts without a sign of life, in seconds.
    pub lease_seconds: u64,
    /// The longest wait between two looks at the database when nothing woke the engine, in
    /// milliseconds.
    pub look_milliseconds: u64,
    /// How long steps may take to let go when the engine stops, in seconds.
    pub shutdown_grace_seconds: u64,
    /// How many pods may be active at once; 0: no bound.
    pub max_active_pods: u32,
    /// How many pods may be created in a second; 0: no bound.
    pub pods_per_second: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            slots: 8,
            lease_seconds: 10,
            look_milliseconds: 500,
            shutdown_grace_seconds: 5,
            max_active_pods: 0,
            pods_per_second: 0,
        }
    }
}

/// `[janitor]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JanitorConfig {
    /// How many pods are disposed of at once.
    pub disposals: usize,
    /// After how many days a task that has ended is removed; 0: never.
    pub retention_days: u32,
}

impl Default for JanitorConfig {
    fn default() -> Self {
        Self {
            disposals: 8,
            retention_days: 30,
        }
    }
}

/// `[task_log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskLogConfig {
    /// How many bytes of one task's log are kept, over all its attempts; 0: all of it.
    pub max_bytes: u64,
    /// How many bytes one read brings of the log of a container that runs on; the rest comes with
    /// the next read. 0: all that there is.
    pub read_bytes: u64,
}

impl Default for TaskLogConfig {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            read_bytes: 64 << 20,
        }
    }
}

/// `[templates]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateConfig {
    /// The environment variables of this program that templates may read.
    pub allowed_env: Vec<String>,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What is told: a level, or directives as `RUST_LOG` takes them. When absent, `serve` tells
    /// `info` and every other command `warn`.
    pub level: Option<String>,
    /// How it is told.
    pub format: LogFormat,
}

/// How this program's own log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where `serve` answers: an address and a port, or `none`. When absent, port 8470 of this
    /// machine alone, unless something else has it.
    pub listen: Option<String>,
    /// The tokens' hashes; beside the database when absent.
    pub tokens_file: Option<PathBuf>,
    /// The certificates for TLS, as PEM.
    pub tls_cert: Option<PathBuf>,
    /// Their key, as PEM.
    pub tls_key: Option<PathBuf>,
    /// How many requests one client may send in a second; 0: no bound.
    pub requests_per_second: u32,
    /// How large a request's body may be, in bytes.
    pub max_body_bytes: u32,
    /// How long a request may take until its answer begins, in seconds.
    pub request_timeout_seconds: u64,
    /// Names of this machine that requests without tokens may ask for.
    pub allowed_hosts: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tokens_file: None,
            tls_cert: None,
            tls_key: None,
            requests_per_second: 200,
            max_body_bytes: 4 << 20,
            request_timeout_seconds: 60,
            allowed_hosts: Vec::new(),
        }
    }
}

/// `[local_cluster]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalClusterConfig {
    /// Where its state is; in the state directory when absent.
    pub dir: Option<PathBuf>,
}
