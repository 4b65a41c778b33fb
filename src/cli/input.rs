//! Reading what a command is given: task files, statements, stdin.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::output::say;
use crate::task::file::{self, TaskFile};

/// The text of a file, or of stdin for `-`, with the name for messages.
pub(super) async fn text(path: &Path) -> Result<(String, String), CliError> {
    let (name, read) = if path == Path::new("-") {
        ("stdin".to_owned(), stdin().await)
    } else {
        (path.display().to_string(), std::fs::read_to_string(path))
    };
    match read {
        Ok(text) => Ok((text, name)),
        Err(source) => Err(CliError::Input { what: name, source }),
    }
}

/// Waits for stdin beside everything else: a signal must find somebody who listens.
async fn stdin() -> io::Result<String> {
    let read = || {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    };
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// The tasks of a task file, with the files that they name read in. Tells warnings on stderr.
pub(super) async fn tasks(path: &Path) -> Result<Vec<TaskFile>, CliError> {
    let (text, name) = text(path).await?;
    let mut tasks = file::parse(&text, &name)?;
    for task in &mut tasks {
        for warning in &task.warnings {
            say(format!("warning: {name}: task {}: {warning}", task.task_id));
        }
        if let Some(template) = task.template_file() {
            let content = template_text(path, template, &task.task_id)?;
            task.attach_template_file(content);
        }
    }
    Ok(tasks)
}

/// A relative template stands beside the task file or, failing that, in the working directory.
fn template_text(task_file: &Path, template: &str, task_id: &str) -> Result<String, CliError> {
    let beside = match task_file.parent() {
        Some(directory) if task_file != Path::new("-") => directory.join(template),
        Some(_) | None => PathBuf::from(template),
    };
    let path = if beside.exists() {
        beside
    } else {
        PathBuf::from(template)
    };
    std::fs::read_to_string(&path).map_err(|source| CliError::Input {
        what: format!("pod_template_file {} of task {task_id}", path.display()),
        source,
    })
}
