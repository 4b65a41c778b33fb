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
    /// How pods are disposed of.
    pub janitor: JanitorConfig,
    /// What templates may see.
    pub templates: TemplateConfig,
    /// What this program says about itself.
    pub log: LogConfig,
    /// The local cluster.
    pub local_cluster: LocalClusterConfig,
    /// The clusters, by the names that tasks use for them.
    pub connections: BTreeMap<String, ConnectionSettings>,
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
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            slots: 8,
            lease_seconds: 30,
            look_milliseconds: 500,
            shutdown_grace_seconds: 5,
        }
    }
}

/// `[janitor]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JanitorConfig {
    /// How many pods are disposed of at once.
    pub disposals: usize,
}

impl Default for JanitorConfig {
    fn default() -> Self {
        Self { disposals: 8 }
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

/// `[local_cluster]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalClusterConfig {
    /// Where its state is; in the state directory when absent.
    pub dir: Option<PathBuf>,
}
