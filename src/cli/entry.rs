//! From the words on the command line to an exit code.

use std::process::ExitCode;

use clap::Parser;

use super::args::{Cli, Command};
use super::error::CliError;
use super::output::say;
use super::situation::Situation;
use super::{
    backup, cancel, cluster, completions, describe, doctor, dry_run, exit, get, logs, man, migrate,
    prune, restore, retry, run as run_command, schema, serve, sql, submit, token, top, wait, xcom,
};
use crate::telemetry::{self, Telemetry};

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap as well, but go to stdout.
            let _ = error.print();
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            };
            return ExitCode::from(code);
        }
    };
    let code = match dispatch(cli).await {
        Ok(code) => code,
        Err(error) => {
            for line in error.lines() {
                say(format!("error: {line}"));
            }
            exit::of_error(&error)
        }
    };
    ExitCode::from(code)
}

async fn dispatch(cli: Cli) -> Result<u8, CliError> {
    // These three need no settings, and must work where the settings are broken.
    match &cli.command {
        Command::Completions(args) => return completions::run(args).await,
        Command::Man(args) => return man::run(args).await,
        Command::Schema => return schema::run(cli.global.output).await,
        Command::Run(_)
        | Command::Serve(_)
        | Command::Submit(_)
        | Command::Get(_)
        | Command::Describe(_)
        | Command::Top(_)
        | Command::Logs(_)
        | Command::Xcom(_)
        | Command::Wait(_)
        | Command::Cancel(_)
        | Command::Retry(_)
        | Command::Prune(_)
        | Command::DryRun(_)
        | Command::Sql(_)
        | Command::Doctor(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Migrate(_)
        | Command::Token(_)
        | Command::Cluster(_) => {}
    }
    let mut situation = Situation::read(cli.global)?;
    // The client's own words on a failed request say the same as our errors do, less plainly.
    let default_level = if matches!(cli.command, Command::Serve(_)) {
        "info,kube_client=off"
    } else {
        "warn,kube_client=off"
    };
    let telemetry = telemetry::start(&situation.config.log, default_level)?;
    refuse_server(&cli.command, &situation)?;
    let done = command(cli.command, &mut situation, &telemetry).await;
    // It waits for whoever collects what was told, if anybody does.
    let _ = tokio::task::spawn_blocking(move || telemetry.end()).await;
    done
}

async fn command(
    command: Command,
    situation: &mut Situation,
    telemetry: &Telemetry,
) -> Result<u8, CliError> {
    match command {
        Command::Run(args) => run_command::run(args, situation).await,
        Command::Serve(args) => serve::run(args, situation, telemetry).await,
        Command::Submit(args) => submit::run(args, situation).await,
        Command::Get(args) => get::run(args, situation).await,
        Command::Describe(args) => describe::run(args, situation).await,
        Command::Top(args) => top::run(args, situation).await,
        Command::Logs(args) => logs::run(args, situation).await,
        Command::Xcom(args) => xcom::run(args, situation).await,
        Command::Wait(args) => wait::run(args, situation).await,
        Command::Cancel(args) => cancel::run(args, situation).await,
        Command::Retry(args) => retry::run(args, situation).await,
        Command::Prune(args) => prune::run(args, situation).await,
        Command::DryRun(args) => dry_run::run(args, situation).await,
        Command::Sql(args) => sql::run(args, situation).await,
        Command::Doctor(args) => doctor::run(args, situation).await,
        Command::Token(args) => token::run(args, situation).await,
        Command::Cluster(args) => cluster::run(args, situation).await,
        Command::Backup(args) => backup::run(args, situation).await,
        Command::Restore(args) => restore::run(args, situation).await,
        Command::Migrate(args) => migrate::run(args, situation).await,
        Command::Completions(args) => completions::run(&args).await,
        Command::Man(args) => man::run(&args).await,
        Command::Schema => schema::run(situation.format()).await,
    }
}

/// Some commands are about a database and what works on it: no daemon does them for anybody.
fn refuse_server(command: &Command, situation: &Situation) -> Result<(), CliError> {
    let (name, instead) = match command {
        Command::Serve(_) => ("serve", "leave --server and ADJOURN_SERVER away"),
        Command::Run(_) => ("run", "use `adjourn submit` and `adjourn logs -f`"),
        Command::Prune(_) => ("prune", "run it where the daemon runs, with --db PATH"),
        Command::Sql(_) => ("sql", "run it where the daemon runs, with --db PATH"),
        Command::Doctor(_) => ("doctor", "run it where the daemon runs, with --db PATH"),
        Command::Backup(_) => ("backup", "run it where the daemon runs, with --db PATH"),
        Command::Restore(_) => ("restore", "run it where the daemon runs, with --db PATH"),
        Command::Migrate(_) => ("migrate", "leave --server and ADJOURN_SERVER away"),
        Command::Token(_) => ("token", "run it where the daemon runs"),
        Command::Submit(_)
        | Command::Get(_)
        | Command::Describe(_)
        | Command::Logs(_)
        | Command::Xcom(_)
        | Command::Wait(_)
        | Command::Cancel(_)
        | Command::Retry(_)
        | Command::Top(_)
        | Command::DryRun(_)
        | Command::Man(_)
        | Command::Schema
        | Command::Cluster(_)
        | Command::Completions(_) => return Ok(()),
    };
    situation.refuse_server(name, instead)
}
