//! The command line as it may be written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    backup, cancel, cluster, completions, describe, doctor, dry_run, get, logs, man, migrate,
    prune, restore, retry, run, serve, sql, submit, token, top, wait, xcom,
};

/// What `cli::exit` defines, for a person.
const EXIT_CODES: &str = "\
Exit codes:
    0  all is well; a task succeeded or was skipped
    1  a task failed or was cancelled, or the command could not do its work
    2  the command line, the settings, the task file or the database cannot be used
    3  what was named does not exist
    4  the cluster, or the daemon of --server, cannot be reached
    5  a task's pod could not start
  124  time ran out: of the task, or of --timeout
  130  interrupted; what was worked on is unharmed";

/// Run Kubernetes pods as durable, deferrable tasks.
///
/// A task survives the program that runs it: kill it at any moment, start it again, and every
/// task goes on where it was.
#[derive(Debug, Parser)]
#[command(
    name = "adjourn",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = EXIT_CODES
)]
pub struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The database that holds the tasks: an SQLite file, or a PostgreSQL server's as
    /// postgres://USER@HOST/DATABASE [env: ADJOURN_DB]
    #[arg(long, global = true, value_name = "PATH|URL")]
    pub(super) db: Option<PathBuf>,
    /// The daemon to ask in place of a database, by its URL [env: ADJOURN_SERVER]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "db")]
    pub(super) server: Option<String>,
    /// The file with the daemon's token; else it is taken from ADJOURN_TOKEN
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) token_file: Option<PathBuf>,
    /// The settings file [env: ADJOURN_CONFIG]
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) config: Option<PathBuf>,
    /// The kubeconfig to use, whatever the settings say
    #[arg(long, global = true, value_name = "PATH")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Use the local cluster, starting it if needed
    #[arg(long, global = true, conflicts_with_all = ["kubeconfig", "context"])]
    pub(super) local: bool,
    /// How to print the answer
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(super) output: Format,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For people, with everything.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// YAML.
    Yaml,
    /// Ids alone, one a line.
    Name,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(run::RunArgs),
    Serve(serve::ServeArgs),
    Submit(submit::SubmitArgs),
    Get(get::GetArgs),
    Describe(describe::DescribeArgs),
    Top(top::TopArgs),
    Logs(logs::LogsArgs),
    Xcom(xcom::XcomArgs),
    Wait(wait::WaitArgs),
    Cancel(cancel::CancelArgs),
    Retry(retry::RetryArgs),
    Prune(prune::PruneArgs),
    DryRun(dry_run::DryRunArgs),
    /// Print the JSON Schema of the task file
    Schema,
    Sql(sql::SqlArgs),
    Doctor(doctor::DoctorArgs),
    Token(token::TokenArgs),
    Cluster(cluster::ClusterArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Migrate(migrate::MigrateArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Reads a length of time: seconds, or a text such as `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let value = text
        .parse::<f64>()
        .map_or_else(|_| serde_json::Value::from(text), serde_json::Value::from);
    crate::task::file::seconds::read(&value)
        .ok_or_else(|| format!("must be {}", crate::task::file::seconds::WANTED))
}
