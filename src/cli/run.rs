//! `adjourn run`: takes tasks in, works on them, shows their logs, ends with their verdict.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::args::Format;
use super::error::CliError;
use super::follow::{Followed, Follower};
use super::lines::{Shape, Style};
use super::live::Live;
use super::output::{Output, answer, print_list, print_one, say};
use super::phases::Phases;
use super::signals::Signals;
use super::situation::Situation;
use super::tasks::Tasks;
use super::{engine_room, exit, input, local};
use crate::engine::Engine;
use crate::service::words::verdict;
use crate::service::{LogFilter, LogStyle, Service, TaskView};
use crate::store::{EngineKind, Scope};
use crate::task::file::TaskFile;
use crate::task::id::{TaskId, TaskKey, TaskRef};

/// Run the tasks of a file and show their logs until they have ended
///
/// Killed at any moment, it goes on with `adjourn run --task ID`, or under `adjourn serve`.
/// Beside a live `adjourn serve` on the same database it leaves the work to that one.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The task file, or - for stdin
    #[arg(required_unless_present = "task")]
    file: Option<PathBuf>,
    /// Go on with these tasks, which were submitted before
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "file", add = ArgValueCompleter::new(super::completions::tasks))]
    task: Vec<TaskRef>,
    /// End with the container's own exit code
    #[arg(long)]
    propagate_exit_code: bool,
    /// Name each line's container
    #[arg(long)]
    prefix: bool,
}

/// After so long a person wants to know what is being waited for.
const QUIET: Duration = Duration::from_secs(5);

/// A task of this run.
struct Ours {
    id: TaskId,
    key: TaskKey,
    file: Option<TaskFile>,
}

impl Ours {
    /// Its name among others.
    fn label(&self) -> String {
        if self.key.map_index < 0 {
            self.key.task_id.clone()
        } else {
            format!("{}/{}", self.key.task_id, self.key.map_index)
        }
    }
}

pub(super) async fn run(args: RunArgs, situation: &mut Situation) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let (service, ours) = tokio::select! {
        prepared = prepare(&args, situation) => prepared?,
        () = signals.next() => return Err(CliError::Interrupted),
    };
    for task in &ours {
        say(format!("task {} {}", task.id, task.key));
    }
    let ids: Vec<TaskId> = ours.iter().map(|task| task.id).collect();
    let scope = Scope::Tasks(ids.clone());
    let (engine, hub) = engine_room::start(situation, &service, EngineKind::Run, scope).await?;
    let source = Tasks::Here(service.clone());
    let phases = Phases {
        service: service.clone(),
        hub,
    };
    let mut follower = follower(&source, &ours, &args, situation, phases);
    let work = async {
        let ended = follower.follow().await?;
        pods_disposed_of(&engine).await?;
        Ok(ended)
    };
    let result: Result<Vec<TaskView>, CliError> = tokio::select! {
        result = work => result,
        () = signals.next() => Err(CliError::Interrupted),
    };
    let insisted = let_go(engine, &mut signals).await;
    // With nobody to read the lines, the work is let go as if it were interrupted.
    if matches!(result, Err(CliError::Interrupted | CliError::ReaderGone)) {
        if !insisted {
            go_on_hint(&service, &ids, situation).await;
        }
        return Err(CliError::Interrupted);
    }
    finish(&service, &result?, &args, situation.format()).await
}

/// Stores the tasks, once everything that can be known to be wrong has been looked at.
async fn prepare(
    args: &RunArgs,
    situation: &mut Situation,
) -> Result<(Service, Vec<Ours>), CliError> {
    match &args.file {
        Some(path) => {
            let files = input::tasks(path, situation).await?;
            let service = situation.service().await?;
            service.check(&files)?;
            make_ready(&service, &files, situation).await?;
            let submitted = service.submit(files.clone()).await?;
            let ours = submitted.into_iter().zip(files).map(|(task, file)| Ours {
                id: task.id,
                key: task.key,
                file: Some(file),
            });
            Ok((service, ours.collect()))
        }
        None => {
            let service = situation.needed_service().await?;
            let mut ours = Vec::with_capacity(args.task.len());
            let mut unfinished = Vec::new();
            for reference in &args.task {
                let id = service.resolve(reference).await?;
                let row = service.store().task(id).await?;
                let file = serde_json::from_str::<TaskFile>(&row.definition).ok();
                // Of a task that has ended, a pod may still be there to be disposed of.
                let scope = Scope::Tasks(vec![id]);
                if !row.state.is_final() || service.store().open_disposals(&scope).await?.0 > 0 {
                    unfinished.extend(file.clone());
                }
                let key = row.key;
                ours.push(Ours { id, key, file });
            }
            make_ready(&service, &unfinished, situation).await?;
            Ok((service, ours))
        }
    }
}

/// Makes sure that the clusters answer; a live daemon sees to its own.
async fn make_ready(
    service: &Service,
    files: &[TaskFile],
    situation: &mut Situation,
) -> Result<(), CliError> {
    if files.is_empty() || engine_room::daemon(situation, service).await?.is_some() {
        return Ok(());
    }
    local::use_if_asked(situation).await?;
    engine_room::reach(situation, files).await
}

fn follower<'a>(
    source: &'a Tasks,
    ours: &[Ours],
    args: &RunArgs,
    situation: &Situation,
    phases: Phases,
) -> Follower<'a> {
    let several = ours.len() > 1;
    let (output, shape) = match situation.format() {
        Format::Table | Format::Wide => (Output::stdout(), Shape::on_stdout()),
        // Stdout is for the finished tasks alone.
        Format::Json | Format::Jsonl | Format::Yaml | Format::Name => {
            (Output::stderr(), Shape::Bytes)
        }
    };
    Follower {
        source,
        tasks: ours
            .iter()
            .map(|task| {
                let asked = task.file.as_ref().map(LogStyle::of).unwrap_or_default();
                let label = several.then(|| task.label());
                let style = Style::of(&asked, label, args.prefix);
                Followed::new(task.id, 0, Style { shape, ..style })
            })
            .collect(),
        wanted: LogFilter::default(),
        clock: situation.clock.clone(),
        output,
        live: Live::at_a_terminal(ours.len(), situation.clock.now()),
        phases: Some(phases),
        events: BTreeMap::new(),
    }
}

/// Waits until the pods of the engine's ended tasks are as they are to be; tells when that takes
/// long.
pub(super) async fn pods_disposed_of(engine: &Engine) -> Result<(), CliError> {
    let idle = engine.idle();
    tokio::pin!(idle);
    match tokio::time::timeout(QUIET, &mut idle).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            say(
                "waiting for the pods of ended tasks to be deleted; Ctrl-C leaves that to the next run or serve",
            );
            Ok(idle.await?)
        }
    }
}

/// Stops the engine in good order; answers whether somebody insisted on the end meanwhile.
pub(super) async fn let_go(engine: Engine, signals: &mut Signals) -> bool {
    tokio::select! {
        () = engine.stop() => false,
        () = signals.next() => true,
    }
}

async fn finish(
    service: &Service,
    ended: &[TaskView],
    args: &RunArgs,
    format: Format,
) -> Result<u8, CliError> {
    let mut details = Vec::with_capacity(ended.len());
    for task in ended {
        details.push(service.describe(task.id).await?);
    }
    match details.as_slice() {
        [detail] => print_one(format, detail).await?,
        details => print_list(format, details).await?,
    };
    if format == Format::Name {
        let ids: String = ended.iter().map(|task| format!("{}\n", task.id)).collect();
        answer(&ids).await?;
    }
    for task in ended {
        say(verdict(task));
    }
    Ok(if args.propagate_exit_code {
        exit::of_container(ended)
    } else {
        exit::of_tasks(ended)
    })
}

/// Tells how to go on with what has not ended.
async fn go_on_hint(service: &Service, ids: &[TaskId], situation: &Situation) {
    let mut open = Vec::new();
    for id in ids {
        match service.task(*id).await {
            Ok(task) if task.is_final => {}
            Ok(_) | Err(_) => open.push(id.to_string()),
        }
    }
    if open.is_empty() {
        return;
    }
    say(format!(
        "continue with: adjourn run --task {}{}",
        open.join(" "),
        situation.flags_again()
    ));
}
