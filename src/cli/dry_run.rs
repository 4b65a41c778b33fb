//! `adjourn dry-run`: the pod that would come of a task.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::args::Format;
use super::engine_room::template_environment;
use super::error::CliError;
use super::output::{answer, print_list, print_one, say, yaml};
use super::situation::Situation;
use super::{exit, input};
use crate::config::ConnectionSettings;
use crate::operator::pod::{PlanOptions, Preview, PreviewOptions, preview};
use crate::task::file::TaskFile;
use crate::task::id::TaskKey;

/// Print the pods that the tasks of a file would become; nothing is sent
///
/// Then tells on stderr what the API server would refuse about them. Values of environment
/// variables are hidden.
#[derive(Debug, Args)]
pub(super) struct DryRunArgs {
    /// The task file, or - for stdin
    file: PathBuf,
    /// Exactly what would be sent, with the labels that tell whose pod it is
    #[arg(long)]
    full: bool,
    /// The attempt that the pod would serve
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    try_number: u32,
    /// What to put in place of the random end of the name
    #[arg(long, value_name = "TEXT")]
    suffix: Option<String>,
    /// Leave templates as they are
    #[arg(long)]
    no_render: bool,
    /// Show the values of environment variables
    #[arg(long)]
    show_secrets: bool,
}

pub(super) async fn run(args: DryRunArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = input::tasks(&args.file, situation).await?;
    let previews = tasks
        .iter()
        .map(|task| look(task, &args, situation))
        .collect::<Result<Vec<_>, _>>()?;
    print(&previews, args.full, situation.format()).await?;
    let mut refused = false;
    for (task, preview) in tasks.iter().zip(&previews) {
        for doubt in &preview.doubts {
            say(format!("warning: task {}: {doubt}", task.task_id));
        }
        for violation in &preview.violations {
            say(format!("error: task {}: {violation}", task.task_id));
            refused = true;
        }
    }
    Ok(if refused { exit::USAGE } else { exit::SUCCESS })
}

fn look(task: &TaskFile, args: &DryRunArgs, situation: &Situation) -> Result<Preview, CliError> {
    let now = situation.clock.now();
    let key = TaskKey {
        dag_id: task.dag_id.clone(),
        task_id: task.task_id.clone(),
        run_id: task
            .run_id
            .clone()
            .unwrap_or_else(|| crate::service::fresh_run_id(now)),
        map_index: task.map_index,
    };
    let connections = situation.connections();
    let no_settings = ConnectionSettings::default();
    let template_env = template_environment(&situation.config);
    let plan = PlanOptions {
        key: &key,
        try_number: args.try_number,
        submitted_at: now,
        connection: connections
            .get(&task.pod.kubernetes_conn_id)
            .unwrap_or(&no_settings),
        template_env: &template_env,
        installation: None,
    };
    let options = PreviewOptions {
        full: args.full,
        suffix: args.suffix.as_deref(),
        render: !args.no_render,
        show_secrets: args.show_secrets,
    };
    preview(task, &plan, options, &mut rand::rng()).map_err(|error| CliError::Task {
        task_id: task.task_id.clone(),
        faults: error.to_string().lines().map(str::to_owned).collect(),
    })
}

async fn print(previews: &[Preview], full: bool, format: Format) -> Result<(), CliError> {
    let pods: Vec<&Value> = previews
        .iter()
        .map(|preview| preview.pod.as_value())
        .collect();
    match format {
        Format::Json | Format::Jsonl => {
            match pods.as_slice() {
                [pod] => print_one(format, pod).await?,
                pods => print_list(format, pods).await?,
            };
            Ok(())
        }
        Format::Name => {
            let names: String = previews
                .iter()
                .map(|preview| format!("{}\n", preview.pod.name()))
                .collect();
            answer(&names).await
        }
        Format::Table | Format::Wide | Format::Yaml => {
            let documents = previews
                .iter()
                .map(|preview| {
                    if full || format == Format::Yaml {
                        yaml(preview.pod.as_value())
                    } else {
                        Ok(preview.reference_yaml.clone())
                    }
                })
                .collect::<Result<Vec<_>, _>>()?;
            answer(&documents.join("---\n")).await
        }
    }
}
