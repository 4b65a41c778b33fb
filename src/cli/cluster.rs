//! `adjourn cluster`: the local cluster by hand.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::Format;
use super::error::CliError;
use super::fault::{self, FaultArgs};
use super::moments::{age, moment};
use super::output::{answer, print_one, say};
use super::situation::Situation;
use super::{exit, local};
use crate::local_cluster::process::{
    self, ClusterDir, ClusterError, ClusterInfo, Settings, StartOptions,
};

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
    Start(StartArgs),
    /// Stop it and every process of its pods
    Stop,
    /// Tell whether it runs, and where
    Status,
    /// Print the path of its kubeconfig
    Kubeconfig,
    Fault(FaultArgs),
}

/// How the cluster is to be. What is set here holds until it is stopped.
#[derive(Debug, Args)]
struct StartArgs {
    /// Give containers no processes: annotations of a pod tell how its life goes
    ///
    /// For trying out clients with tens of thousands of pods. The annotations, all of them
    /// optional: simulate.adjourn/run-time (1.5s, 10m, or `forever`; 1s unless told),
    /// simulate.adjourn/exit-code (0), simulate.adjourn/stop-code, simulate.adjourn/schedule-delay,
    /// simulate.adjourn/start-delay, simulate.adjourn/log-lines-per-second.
    #[arg(long)]
    simulate: bool,
    /// The images that exist, with `*` for anything; all others fail with ErrImagePull
    ///
    /// Without it every valid image name is taken. A pattern is compared with the name as the pod
    /// has it: --images 'busybox*' 'registry.example/*'
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    images: Vec<String>,
    /// Let whoever has the cluster's token order failures, at the path /__adjourn/faults
    ///
    /// For tests of clients: refused requests, lost answers, cut and silent watches.
    #[arg(long)]
    faults: bool,
    /// Run containers as plain processes even where this machine could keep them apart
    #[arg(long)]
    plain: bool,
}

impl StartArgs {
    fn settings(self) -> Settings {
        Settings {
            images: self.images,
            plain_processes: self.plain,
            simulate: self.simulate,
            faults: self.faults,
            ..Settings::default()
        }
    }
}

pub(super) async fn run(args: ClusterArgs, situation: &Situation) -> Result<u8, CliError> {
    match args.wish {
        Wish::Start(args) => start(situation, args.settings()).await,
        Wish::Stop => stop(situation).await,
        Wish::Status => status(situation).await,
        Wish::Kubeconfig => kubeconfig(situation).await,
        Wish::Fault(args) => fault::run(args, situation).await,
    }
}

async fn start(situation: &Situation, settings: Settings) -> Result<u8, CliError> {
    let dir = local::directory(situation)?;
    let program = std::env::current_exe().map_err(|error| {
        CliError::Failed(format!("this program cannot find its own file: {error}"))
    })?;
    let mut options = StartOptions::new(program);
    options.settings = settings.clone();
    let started = blocking(move || {
        if process::status(&dir).is_some() {
            return Ok(false);
        }
        process::start(&dir, &options).map(|_| true)
    })
    .await?;
    let (info, _) = local::start(situation).await?;
    // Nobody who names no setting expects any.
    if settings != Settings::default() && !is_as_asked(&info.settings, &settings) {
        return Err(CliError::Failed(format!(
            "the local cluster runs already with other settings: it was started with {}, and this asks for {}; `adjourn cluster stop` and start it again",
            flags(&info.settings),
            flags(&settings)
        )));
    }
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
{nature}
{isolation}
kubeconfig: {kubeconfig}
stop it with: adjourn cluster stop
",
        server = info.server,
        pid = info.pid,
        nature = nature(&info.settings).join("\n"),
        isolation = info.isolation,
        kubeconfig = info.kubeconfig.display(),
    ))
    .await?;
    Ok(exit::SUCCESS)
}

/// Whether a cluster is what the flags ask for.
fn is_as_asked(running: &Settings, asked: &Settings) -> bool {
    let known_here = Settings {
        watch_history: asked.watch_history,
        ..running.clone()
    };
    known_here == *asked
}

/// The flags that make such a cluster.
fn flags(settings: &Settings) -> String {
    let mut flags = Vec::new();
    for (set, flag) in [
        (settings.simulate, "--simulate"),
        (settings.faults, "--faults"),
        (settings.plain_processes, "--plain"),
    ] {
        if set {
            flags.push(flag.to_owned());
        }
    }
    if !settings.images.is_empty() {
        flags.push(format!("--images {}", settings.images.join(" ")));
    }
    if flags.is_empty() {
        "no flags".to_owned()
    } else {
        flags.join(" ")
    }
}

/// What a person must know of such a cluster.
fn nature(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(if settings.images.is_empty() {
        "images are not pulled: every image name is taken, and none is looked at".to_owned()
    } else {
        format!(
            "images are not pulled: those that fit {} are taken, all others fail",
            settings.images.join(", ")
        )
    });
    if !settings.simulate {
        lines.push(
            "the root file system of a container is this machine's own, with its programs"
                .to_owned(),
        );
    }
    if settings.faults {
        lines.push(
            "failures can be ordered with `adjourn cluster fault`, or at /__adjourn/faults by whoever has the token"
                .to_owned(),
        );
    }
    lines
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
settings:    {}
pods:        {}
kubeconfig:  {}
",
        info.server,
        info.pid,
        info.version,
        moment(info.started_at),
        age(info.started_at, now),
        info.isolation,
        flags(&info.settings),
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
        "settings": {
            "simulate": info.settings.simulate,
            "images": info.settings.images,
            "faults": info.settings.faults,
            "plain": info.settings.plain_processes,
        },
        "pods": info.pods,
        "kubeconfig": info.kubeconfig,
    })
}
