//! `adjourn completions`: a script for the shell, and the answers when the shell then asks.
//!
//! The shell asks this program for each completion, so that tasks' ids can be among the answers.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use super::args::{Cli, GlobalArgs};
use super::error::CliError;
use super::exit;
use super::output::Output;
use super::situation::Situation;
use crate::service::TaskView;
use crate::store::TaskFilter;

/// By this variable the shell tells that it wants completions.
const VARIABLE: &str = "ADJOURN_COMPLETE";

/// How many tasks are offered, newest first.
const OFFERED: u32 = 200;

/// Print a completion script for a shell
///
/// For bash: `source <(adjourn completions bash)` in ~/.bashrc. For zsh the same in ~/.zshrc. For
/// fish: `adjourn completions fish | source` in its config.fish.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) async fn run(args: &CompletionsArgs) -> Result<u8, CliError> {
    let name = args.shell.to_string();
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell = shells
        .completer(&name)
        .ok_or_else(|| CliError::Usage(format!("there are no completions for {name}")))?;
    // Into memory nothing can fail.
    shell
        .write_registration(VARIABLE, "adjourn", "adjourn", &program(), &mut script)
        .map_err(CliError::Output)?;
    Output::stdout().write(&script).await?;
    Ok(exit::SUCCESS)
}

/// The program as the shell is to call it: as it was called now.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    match std::env::current_exe() {
        Ok(path) if called.contains('/') => path.to_string_lossy().into_owned(),
        Ok(_) | Err(_) => "adjourn".to_owned(),
    }
}

/// Answers the shell, if it is the shell that asks.
#[must_use]
pub fn answered() -> Option<ExitCode> {
    let directory = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), directory.as_deref());
    match asked {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => {
            let _ = error.print();
            Some(ExitCode::from(exit::USAGE))
        }
    }
}

/// The tasks whose ids begin with what is written so far; their keys once that is no number.
pub(super) fn tasks(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else {
        return Vec::new();
    };
    let by_key = current.contains(|c: char| !c.is_ascii_digit());
    let candidate = |task: TaskView| {
        let (word, help) = if by_key {
            (task.key, format!("task {}, {}", task.id, task.state))
        } else {
            (task.id.to_string(), format!("{}, {}", task.key, task.state))
        };
        word.starts_with(current)
            .then(|| CompletionCandidate::new(word).help(Some(help.into())))
    };
    // Whatever is wrong, the command itself will tell.
    let found = newest().unwrap_or_default();
    found.into_iter().filter_map(candidate).collect()
}

fn newest() -> Option<Vec<TaskView>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let situation = Situation::read(flags(std::env::args_os())).ok()?;
        let service = situation.existing_service().await.ok()??;
        let filter = TaskFilter {
            limit: Some(OFFERED),
            ..TaskFilter::default()
        };
        service.list(&filter).await.ok()
    })
}

/// The flags in an unfinished command line that say where the tasks are.
fn flags(words: impl Iterator<Item = OsString>) -> GlobalArgs {
    let mut flags = GlobalArgs::default();
    let words: Vec<OsString> = words.collect();
    for pair in words.windows(2) {
        match pair[0].to_str() {
            Some("--db") => flags.db = Some((&pair[1]).into()),
            Some("--config") => flags.config = Some((&pair[1]).into()),
            Some(_) | None => {}
        }
    }
    flags
}
