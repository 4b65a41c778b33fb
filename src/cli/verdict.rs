//! How a task ended, in a line.

use super::moments::took;
use super::table::one_line;
use crate::service::TaskView;

/// The line that `run`, `wait` and `cancel` end with.
pub(super) fn line(task: &TaskView) -> String {
    let reason = task
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty() && *reason != task.state)
        .map(one_line);
    let name = format!("task {}", task.id);
    match (task.state, reason) {
        ("success", _) => match task.started_at.zip(task.finished_at) {
            Some((start, end)) => {
                let length = (end - start).to_std().unwrap_or_default();
                format!("{name} succeeded in {}", took(length))
            }
            None => format!("{name} succeeded"),
        },
        (state, Some(reason)) => format!("{name} {state}: {reason}"),
        (state, None) => format!("{name} {state}"),
    }
}
