//! The pod that everything else is laid over: from a file or from the task itself.

use serde_json::{Map, Value};

use crate::task::file::{PodParameters, TaskFileErrors, read_pod};

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidTemplate {
    /// Both forms are given, and one would be ignored.
    #[error(
        "pod_template_file and pod_template_dict are both given, and only one can be used: \
         take one of them away"
    )]
    Both,
    /// The file was never read.
    #[error("pod_template_file: {0:?} has not been read: submit the task again")]
    NotRead(String),
    /// The template is not a pod.
    #[error("{0}")]
    NotAPod(TaskFileErrors),
}

/// The template of a task, if it has one.
pub(super) fn of(
    parameters: &PodParameters,
) -> Result<Option<Map<String, Value>>, InvalidTemplate> {
    let dict = parameters
        .pod_template_dict
        .as_ref()
        .and_then(Value::as_object)
        .filter(|members| !members.is_empty());
    let path = parameters
        .pod_template_file
        .as_deref()
        .filter(|path| !path.is_empty());
    match (path, &parameters.pod_template_content, dict) {
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(InvalidTemplate::Both),
        (Some(path), None, None) => Err(InvalidTemplate::NotRead(path.to_owned())),
        (path, Some(content), None) => read_pod(content, path.unwrap_or("pod_template_file"))
            .map(Some)
            .map_err(InvalidTemplate::NotAPod),
        (None, None, dict) => Ok(dict.cloned()),
    }
}
