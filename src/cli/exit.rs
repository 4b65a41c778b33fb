//! Exit codes: what they mean, and what is mapped to which.

use super::error::CliError;
use crate::http::ProblemKind;
use crate::remote::RemoteError;
use crate::service::{ServiceError, TaskView};
use crate::store::StoreError;
use crate::task::outcome::FailureKind;

/// All is well; a task succeeded or was skipped.
pub const SUCCESS: u8 = 0;
/// A task failed or was cancelled, or the command could not do its work for a reason that has no
/// code of its own.
pub const FAILED: u8 = 1;
/// The command line, the settings, the task file or the database cannot be used.
pub const USAGE: u8 = 2;
/// What was named does not exist.
pub const NOT_FOUND: u8 = 3;
/// The cluster, the daemon that --server names, or the database's server cannot be reached.
pub const UNREACHABLE: u8 = 4;
/// A task's pod could not start.
pub const COULD_NOT_START: u8 = 5;
/// Time ran out: of the task, or of `--timeout`.
pub const TIMED_OUT: u8 = 124;
/// Somebody interrupted the command; what it worked on is unharmed.
pub const INTERRUPTED: u8 = 130;

/// The code for a task that has ended.
#[must_use]
pub fn of_task(task: &TaskView) -> u8 {
    match (task.state, task.failure_kind) {
        ("success" | "skipped", _) => SUCCESS,
        ("failed", Some(FailureKind::CouldNotStart)) => COULD_NOT_START,
        ("failed", Some(FailureKind::TimedOut)) => TIMED_OUT,
        _ => FAILED,
    }
}

/// The code for several tasks that have ended; the task's own when there is one.
#[must_use]
pub fn of_tasks(tasks: &[TaskView]) -> u8 {
    match tasks {
        [task] => of_task(task),
        tasks if tasks.iter().all(|task| of_task(task) == SUCCESS) => SUCCESS,
        _ => FAILED,
    }
}

/// The code of the container that decided, where one did; of several tasks, of the first that
/// did not end well.
#[must_use]
pub fn of_container(tasks: &[TaskView]) -> u8 {
    let decisive = tasks
        .iter()
        .find(|task| of_task(task) != SUCCESS)
        .or(match tasks {
            [task] => Some(task),
            _ => None,
        });
    decisive.and_then(|task| task.exit_code).map_or_else(
        || of_tasks(tasks),
        |code| u8::try_from(code).unwrap_or(FAILED),
    )
}

pub(super) fn of_error(error: &CliError) -> u8 {
    match error {
        CliError::Config(_)
        | CliError::SettingsFile { .. }
        | CliError::Telemetry(_)
        | CliError::TaskFile(_)
        | CliError::Task { .. }
        | CliError::Input { .. }
        | CliError::Usage(_) => USAGE,
        CliError::NotFound(_) => NOT_FOUND,
        CliError::Unreachable(_) => UNREACHABLE,
        CliError::TimedOut(_) => TIMED_OUT,
        CliError::Failed(_) | CliError::Output(_) => FAILED,
        CliError::Interrupted => INTERRUPTED,
        // Whoever read our output has seen enough.
        CliError::ReaderGone => SUCCESS,
        CliError::Service(ServiceError::Refused { .. } | ServiceError::NamesAFile { .. }) => USAGE,
        CliError::Remote(error) => of_remote(error),
        CliError::Service(ServiceError::EndedAlready { .. }) => FAILED,
        CliError::Service(ServiceError::Store(error)) => of_store(error),
    }
}

fn of_remote(error: &RemoteError) -> u8 {
    match error {
        RemoteError::Unreachable { .. } => UNREACHABLE,
        RemoteError::Strange { .. } | RemoteError::Usage(_) => USAGE,
        RemoteError::Refused(problem) => match problem.kind {
            ProblemKind::Usage
            | ProblemKind::TaskFile
            | ProblemKind::KeyTaken
            | ProblemKind::Unauthorized
            | ProblemKind::Forbidden
            | ProblemKind::MethodNotAllowed
            | ProblemKind::TooLarge
            | ProblemKind::UnsupportedMediaType => USAGE,
            ProblemKind::NotFound => NOT_FOUND,
            ProblemKind::Conflict
            | ProblemKind::TooManyRequests
            | ProblemKind::TimedOut
            | ProblemKind::Unavailable
            | ProblemKind::Failed => FAILED,
        },
    }
}

fn of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::NotFound(_) => NOT_FOUND,
        StoreError::Lost { .. } => UNREACHABLE,
        StoreError::Place { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::Damaged { .. }
        | StoreError::Foreign { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::KeyTaken { .. }
        | StoreError::KeyTwice { .. }
        | StoreError::Query(_) => USAGE,
        StoreError::FenceLost { .. }
        | StoreError::Illegal { .. }
        | StoreError::BadRow { .. }
        | StoreError::Full { .. }
        | StoreError::Busy { .. }
        | StoreError::Closed
        | StoreError::Sql { .. } => FAILED,
    }
}
