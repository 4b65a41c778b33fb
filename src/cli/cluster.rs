//! `adjourn cluster`: the local cluster by hand.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::Format;
use super::error::CliError;
use super::exit;
use super::local;
use super::moments::{age, moment};
use super::output::{answer, print_one, say};
use super::situation::Situation;
use crate::local_cluster::process::{self, ClusterDir, ClusterError, ClusterInfo};

/// Start, stop and look at the local cluster
///
/// A small Kubernetes-compatible cluster on this machine for trying things out: each container is
/// a process of this machine, with this machine's own programs. Images are not pulled.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Start it, if it does not run
    Start,
    /// Stop it and every process of its pods
    Stop,
    /// Tell whether it runs, and where
    Status,
    /// Print the path of its kubeconfig
    Kubeconfig,
}

pub(super) async fn run(args: ClusterArgs, situation: &Situation) -> Result<u8, CliError> {
    match args.wish {
        Wish::Start => start(situation).await,
        Wish::Stop => stop(situation).await,
        Wish::Status => status(situation).await,
        Wish::Kubeconfig => kubeconfig(situation).await,
    }
}

async fn start(situation: &Situation) -> Result<u8, CliError> {
    let (info, started) = local::start(situation).await?;
    let format = situation.format();
    if print_one(format, &shown(&info)).await? {
        return Ok(exit::SUCCESS);
    }
    if format == Format::Name {
        answer(&format!("{}\n", info.kubeconfig.display())).await?;
        return Ok(exit::SUCCESS);
    }
    let first = if started {
        "the local cluster has started"
    } else {
        "the local cluster runs already"
    };
    answer(&format!(
        "\
{first}: {server} (pid {pid})
images are not pulled: every image name is taken, and none is looked at
the root file system of a container is this machine's own, with its programs
{isolation}
kubeconfig: {kubeconfig}
stop it with: adjourn cluster stop
",
        server = info.server,
        pid = info.pid,
        isolation = info.isolation,
        kubeconfig = info.kubeconfig.display(),
    ))
    .await?;
    Ok(exit::SUCCESS)
}

async fn stop(situation: &Situation) -> Result<u8, CliError> {
    let dir = local::directory(situation)?;
    if blocking(move || process::stop(&dir)).await?.is_some() {
        say("the local cluster has stopped");
    } else {
        say("the local cluster does not run");
    }
    Ok(exit::SUCCESS)
}

async fn status(situation: &Situation) -> Result<u8, CliError> {
    let info = running(local::directory(situation)?).await?;
    let format = situation.format();
    if print_one(format, &shown(&info)).await? {
        return Ok(exit::SUCCESS);
    }
    let now = situation.clock.now();
    answer(&format!(
        "\
server:      {}
pid:         {}
version:     {}
started:     {} ({} ago)
isolation:   {}
pods:        {}
kubeconfig:  {}
",
        info.server,
        info.pid,
        info.version,
        moment(info.started_at),
        age(info.started_at, now),
        info.isolation,
        info.pods,
        info.kubeconfig.display(),
    ))
    .await?;
    Ok(exit::SUCCESS)
}

async fn kubeconfig(situation: &Situation) -> Result<u8, CliError> {
    let info = running(local::directory(situation)?).await?;
    answer(&format!("{}\n", info.kubeconfig.display())).await?;
    Ok(exit::SUCCESS)
}

async fn running(dir: ClusterDir) -> Result<ClusterInfo, CliError> {
    blocking(move || Ok(process::status(&dir)))
        .await?
        .ok_or_else(|| {
            CliError::Unreachable(
                "the local cluster does not run; start it with `adjourn cluster start`".to_owned(),
            )
        })
}

/// Speaks with the cluster's processes, which takes its time, beside everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, CliError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| CliError::Failed(format!("asking the local cluster broke: {error}")))?
        .map_err(|error| local::told(&error))
}

fn shown(info: &ClusterInfo) -> Value {
    json!({
        "server": info.server,
        "pid": info.pid,
        "version": info.version,
        "started_at": info.started_at,
        "isolation": info.isolation,
        "pods": info.pods,
        "kubeconfig": info.kubeconfig,
    })
}
