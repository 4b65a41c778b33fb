//! A task as it was submitted: what the store keeps.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parameters::PodParameters;
use super::seconds;
use crate::task::retry::RetryPolicy;

/// The version of the stored form.
const VERSION: u32 = 1;

/// One task of a task file.
///
/// Serialized it is the canonical form that the store keeps, with a version in `v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct TaskFile {
    /// The task's name inside its group.
    pub task_id: String,
    /// The group; `default` if the file names none.
    pub dag_id: String,
    /// The run, if the file names one.
    pub run_id: Option<String>,
    /// Which mapped instance; -1 when the task is not mapped.
    pub map_index: i32,
    /// Values for templates.
    pub params: Map<String, Value>,
    /// When a failed try is followed by another.
    pub retry: RetryPolicy,
    /// How long one try may take.
    pub execution_timeout: Option<Duration>,
    /// Everything about the pod.
    pub pod: PodParameters,
    /// What the writer of the file should know although it is no error.
    pub warnings: Vec<String>,
}

impl TaskFile {
    /// A task with every default.
    #[must_use]
    pub fn new(task_id: impl Into<String>, pod: PodParameters) -> Self {
        Self {
            task_id: task_id.into(),
            dag_id: "default".to_owned(),
            run_id: None,
            map_index: -1,
            params: Map::new(),
            retry: RetryPolicy::default(),
            execution_timeout: None,
            pod,
            warnings: Vec::new(),
        }
    }

    /// The path of the pod template file that has to be read before the task is stored.
    #[must_use]
    pub fn template_file(&self) -> Option<&str> {
        match &self.pod.pod_template_content {
            Some(_) => None,
            None => self
                .pod
                .pod_template_file
                .as_deref()
                .filter(|path| !path.is_empty()),
        }
    }

    /// Keeps what stood in the pod template file.
    pub fn attach_template_file(&mut self, content: String) {
        self.pod.pod_template_content = Some(content);
    }
}

/// The stored form. A field that a later version adds needs a default here; a field whose meaning
/// changes needs a new version.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    task_id: String,
    dag_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    map_index: i32,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    #[serde(default)]
    retry: RetryPolicy,
    #[serde(
        default,
        with = "seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    execution_timeout: Option<Duration>,
    pod: PodParameters,
}

/// A stored task of a version that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the task is stored in form {0}, and this version of adjourn knows only form {VERSION}: use a newer adjourn"
)]
pub struct UnknownForm(u32);

impl From<TaskFile> for Stored {
    fn from(task: TaskFile) -> Self {
        Self {
            v: VERSION,
            task_id: task.task_id,
            dag_id: task.dag_id,
            run_id: task.run_id,
            map_index: task.map_index,
            params: task.params,
            retry: task.retry,
            execution_timeout: task.execution_timeout,
            pod: task.pod,
        }
    }
}

impl TryFrom<Stored> for TaskFile {
    type Error = UnknownForm;

    fn try_from(stored: Stored) -> Result<Self, UnknownForm> {
        if stored.v != VERSION {
            return Err(UnknownForm(stored.v));
        }
        Ok(Self {
            task_id: stored.task_id,
            dag_id: stored.dag_id,
            run_id: stored.run_id,
            map_index: stored.map_index,
            params: stored.params,
            retry: stored.retry,
            execution_timeout: stored.execution_timeout,
            pod: stored.pod,
            warnings: Vec::new(),
        })
    }
}
