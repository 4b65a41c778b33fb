//! Reading what a command is given: task files, statements, stdin.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::output::say;
use crate::task::file::{self, TaskFile};

/// The text of a file, or of stdin for `-`, with the name for messages.
pub(super) fn text(path: &Path) -> Result<(String, String), CliError> {
    let from_stdin = path == Path::new("-");
    let (name, read) = if from_stdin {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text).map(|_| text);
        ("stdin".to_owned(), read)
    } else {
        (path.display().to_string(), std::fs::read_to_string(path))
    };
    match read {
        Ok(text) => Ok((text, name)),
        Err(source) => Err(CliError::Input { what: name, source }),
    }
}

/// The tasks of a task file, with the files that they name read in. Tells warnings on stderr.
pub(super) fn tasks(path: &Path) -> Result<Vec<TaskFile>, CliError> {
    let (text, name) = text(path)?;
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
