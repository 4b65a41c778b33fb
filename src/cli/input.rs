//! Reading what a command is given: task files, statements, stdin.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::engine_room::template_environment;
use super::error::CliError;
use super::output::say;
use super::situation::Situation;
use crate::service::fresh_run_id;
use crate::task::file::{self, LARGEST_FILE, TaskFile, too_large};
use crate::task::template::{TemplateContext, render_text};

/// The text of a file, or of stdin for `-`, with the name for messages.
pub(super) async fn text(path: &Path) -> Result<(String, String), CliError> {
    let (name, read) = if path == Path::new("-") {
        ("stdin".to_owned(), stdin().await)
    } else {
        (path.display().to_string(), file_text(path))
    };
    match read {
        Ok(text) => Ok((text, name)),
        Err(source) => Err(CliError::Input { what: name, source }),
    }
}

fn file_text(path: &Path) -> io::Result<String> {
    bounded(std::fs::File::open(path)?)
}

/// All that there is to read, as long as it can be a task file: not more of an endless one.
fn bounded(input: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input
        .take(LARGEST_FILE as u64 + 1)
        .read_to_end(&mut bytes)?;
    if let Some(fault) = too_large(bytes.len()) {
        return Err(io::Error::other(format!("it {fault}")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        let at = error.utf8_error().valid_up_to();
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let utf_16 = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        io::Error::other(if utf_16 {
            "it is UTF-16: save it as UTF-8".to_owned()
        } else {
            format!("it is not UTF-8 at line {line}: save it as UTF-8")
        })
    })
}

/// Waits for stdin beside everything else: a signal must find somebody who listens.
async fn stdin() -> io::Result<String> {
    tokio::task::spawn_blocking(|| bounded(io::stdin().lock()))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// The tasks of a task file, with the files that they name read in. Tells warnings on stderr.
pub(super) async fn tasks(path: &Path, situation: &Situation) -> Result<Vec<TaskFile>, CliError> {
    let (text, name) = text(path).await?;
    let mut tasks = file::parse(&text, &name)?;
    for task in &mut tasks {
        for warning in &task.warnings {
            say(format!("warning: {name}: task {}: {warning}", task.task_id));
        }
        if let Some(template) = task.template_file() {
            let template = rendered(template, task, situation)?;
            let content = template_text(path, &template, &task.task_id)?;
            task.attach_template_file(content);
        }
    }
    Ok(tasks)
}

/// The path of a task's pod template file, which may be a template itself. It is read when the
/// task is stored, so its first try and its run are all that it can name.
fn rendered(path: &str, task: &TaskFile, situation: &Situation) -> Result<String, CliError> {
    let now = situation.clock.now();
    let run_id = task.run_id.clone();
    let context = TemplateContext {
        params: task.params.clone(),
        dag_id: task.dag_id.clone(),
        task_id: task.task_id.clone(),
        run_id: run_id.unwrap_or_else(|| fresh_run_id(now)),
        map_index: task.map_index,
        try_number: 1,
        logical_date: now,
        env: template_environment(&situation.config),
    };
    render_text("pod_template_file", path, &context)
        .map_err(|error| CliError::Usage(format!("task {}: {error}", task.task_id)))
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
    file_text(&path).map_err(|source| CliError::Input {
        what: format!("pod_template_file {} of task {task_id}", path.display()),
        source,
    })
}
