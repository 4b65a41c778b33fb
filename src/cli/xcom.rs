//! `adjourn xcom`: what tasks left for others.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::Value;

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::output::{answer, print_one};
use super::situation::Situation;
use super::table::layout;
use crate::task::id::TaskRef;

/// Print a task's results: all of them, or one by its key
///
/// A result that is text is printed as it is, any other as JSON; with -o json and the like every
/// one is a document. -o name prints the keys alone.
#[derive(Debug, Args)]
pub(super) struct XcomArgs {
    /// The task: its id, or dag_id/task_id/run_id[/map_index]
    #[arg(add = ArgValueCompleter::new(super::completions::tasks))]
    task: TaskRef,
    /// Which result; what a container left is return_value
    key: Option<String>,
}

pub(super) async fn run(args: XcomArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = situation.needed_tasks().await?;
    let id = tasks.resolve(&args.task).await?;
    let mut results = tasks.xcom(id).await?;
    let format = situation.format();
    let Some(key) = args.key else {
        if !print_one(format, &results).await? {
            let text = if format == Format::Name {
                results.keys().map(|key| format!("{key}\n")).collect()
            } else {
                let rows = results.iter();
                layout(
                    ["KEY", "VALUE"],
                    rows.map(|(key, value)| vec![key.clone(), value.to_string()]),
                )
            };
            answer(&text).await?;
        }
        return Ok(exit::SUCCESS);
    };
    let Some(value) = results.swap_remove(&key) else {
        let keys: Vec<&str> = results.keys().map(String::as_str).collect();
        let there = if keys.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", keys.join(", "))
        };
        return Err(CliError::NotFound(format!(
            "task {id} has no result {key:?}: {there}"
        )));
    };
    if format == Format::Name {
        answer(&format!("{key}\n")).await?;
    } else if !print_one(format, &value).await? {
        let text = match value {
            Value::String(text) => text,
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => other.to_string(),
        };
        answer(&format!("{text}\n")).await?;
    }
    Ok(exit::SUCCESS)
}
