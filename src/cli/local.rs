//! `--local`: the local cluster as the cluster that a command works with.

use super::error::{CliError, sentence};
use super::output::say;
use super::situation::Situation;
use crate::local_cluster::process::{self, ClusterDir, ClusterError, ClusterInfo, StartOptions};

/// The directory of the local cluster.
///
/// # Errors
/// When nobody names one and there is no home directory.
pub(super) fn directory(situation: &Situation) -> Result<ClusterDir, CliError> {
    situation
        .config
        .local_cluster
        .dir
        .clone()
        .or_else(|| situation.places.local_cluster())
        .map(ClusterDir::new)
        .ok_or_else(|| {
            CliError::Usage(
                "there is no home directory for the local cluster's state; name one in [local_cluster] dir or ADJOURN_LOCAL_CLUSTER_DIR"
                    .to_owned(),
            )
        })
}

/// Starts the local cluster if it does not run; answers whether it had to.
///
/// # Errors
/// Why it does not start.
pub(super) async fn start(situation: &Situation) -> Result<(ClusterInfo, bool), CliError> {
    let dir = directory(situation)?;
    let program = std::env::current_exe().map_err(|error| {
        CliError::Failed(format!("this program cannot find its own file: {error}"))
    })?;
    let asked = tokio::task::spawn_blocking(move || {
        if let Some(info) = process::status(&dir) {
            return Ok((info, false));
        }
        process::start(&dir, &StartOptions::new(program)).map(|info| (info, true))
    });
    let (info, started) = asked
        .await
        .map_err(|error| CliError::Failed(format!("starting the local cluster broke: {error}")))?
        .map_err(|error| told(&error))?;
    if info.is_other_version() {
        say(format!(
            "warning: the local cluster that runs is adjourn {}, this is {}; `adjourn cluster stop` and start it again to use this one",
            info.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    Ok((info, started))
}

/// With `--local`, makes sure that the local cluster runs and that it is the one that is used.
///
/// # Errors
/// Why it does not start.
pub(super) async fn use_if_asked(situation: &mut Situation) -> Result<(), CliError> {
    if !situation.global.local {
        return Ok(());
    }
    let (info, started) = start(situation).await?;
    if started {
        say(
            "started the local cluster: containers run this machine's own programs, images are not pulled; it runs until `adjourn cluster stop`",
        );
    }
    situation.local_kubeconfig = Some(info.kubeconfig);
    Ok(())
}

/// A cluster that does not come up is a cluster that cannot be reached.
pub(super) fn told(error: &ClusterError) -> CliError {
    CliError::Unreachable(sentence(error))
}
