//! Finding out how far containers can be kept apart here: by running one.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::geteuid;

use super::config::{Grounds, IsolationChoice, NodeConfig};
use super::runtime::{ContainerHandle, News, kill};
use super::shim::dir::ContainerDir;
use super::shim::plan::{ContainerPlan, Isolation, MountPlan};

/// How long the trial may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a tiny container in namespaces, if that is wanted, and tells what is possible.
pub async fn probe(config: &NodeConfig) -> io::Result<Grounds> {
    let mut grounds = Grounds {
        isolation: Isolation::Plain,
        because: None,
        hidden: hidden(config),
        root: geteuid().is_root(),
        simulated: config.simulate,
    };
    if config.simulate {
        return Ok(grounds);
    }
    match config.isolation {
        IsolationChoice::Plain => grounds.because = Some("it was asked for".to_owned()),
        IsolationChoice::Best => match trial(config, &grounds.hidden).await {
            Ok(()) => grounds.isolation = Isolation::Namespaces,
            Err(error) => grounds.because = Some(format!("{error}{}", advice())),
        },
    }
    Ok(grounds)
}

/// What a person can do about a machine that keeps namespaces from ordinary users.
fn advice() -> &'static str {
    let is = |setting: &str, value: &str| {
        let set = fs::read_to_string(format!("/proc/sys/{setting}"));
        set.is_ok_and(|set| set.trim() == value)
    };
    if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "; `sysctl kernel.apparmor_restrict_unprivileged_userns=0` would allow them"
    } else if is("kernel/unprivileged_userns_clone", "0") {
        "; `sysctl kernel.unprivileged_userns_clone=1` would allow them"
    } else if is("user/max_user_namespaces", "0") {
        "; `sysctl user.max_user_namespaces=10000` would allow them"
    } else {
        ""
    }
}

/// One container with one volume that writes a file into it.
async fn trial(config: &NodeConfig, hidden: &[PathBuf]) -> io::Result<()> {
    let place = config.state_dir.join("probe");
    let _ = fs::remove_dir_all(&place);
    let volume = place.join("volume");
    fs::create_dir_all(&volume)?;
    let command = ["/bin/sh", "-c", "echo here > /adjourn-probe/file"];
    let command = command.map(str::to_owned).to_vec();
    let mut plan = ContainerPlan::new(
        command,
        Isolation::Namespaces,
        config.limits(),
        config.log_plan(),
    );
    plan.hidden = hidden.to_vec();
    plan.mounts = vec![MountPlan {
        source: volume.clone(),
        target: PathBuf::from("/adjourn-probe"),
        read_only: false,
    }];
    let dir = ContainerDir::new(place.join("container"));
    let mut container = ContainerHandle::launch(&config.program, dir.clone(), &plan).await?;
    let ended = tokio::time::timeout(PATIENCE, end_of(&mut container)).await;
    let worked = match ended {
        Ok(ended) => ended?,
        Err(_) => {
            kill(&dir)?;
            return Err(io::Error::other("a trial container did not end"));
        }
    };
    if let Some(why) = worked {
        return Err(io::Error::other(why));
    }
    let written = fs::read_to_string(volume.join("file"))?;
    if written != "here\n" {
        return Err(io::Error::other("a trial container's volume stayed empty"));
    }
    fs::remove_dir_all(&place)
}

/// Why the container failed, if it did.
async fn end_of(container: &mut ContainerHandle) -> io::Result<Option<String>> {
    loop {
        match container.next().await? {
            News::Started(_) => {}
            News::Ended(exit) => {
                let code = exit.exit_code;
                let failed = || format!("a trial container ended with code {code}");
                return Ok(exit.start_error.or_else(|| (code != 0).then(failed)));
            }
            News::Lost => return Ok(Some("a trial container's shim was lost".to_owned())),
        }
    }
}

/// What no container may see: the caller's home, the usual home of root, the cluster's own files.
fn hidden(config: &NodeConfig) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let mut all: Vec<PathBuf> = home
        .into_iter()
        .chain([PathBuf::from("/root"), config.state_dir.clone()])
        .chain(config.hidden.iter().cloned())
        .filter_map(|path| fs::canonicalize(path).ok())
        .filter(|path| path.parent().is_some())
        .collect();
    all.sort();
    all.dedup();
    all
}

impl Grounds {
    /// One sentence for people.
    pub fn sentence(&self) -> String {
        if self.simulated {
            return "Containers are simulated: no process runs, and annotations of the pod tell \
                what would have happened."
                .to_owned();
        }
        let because = self.because.as_deref().unwrap_or("no reason is known");
        match (self.isolation, self.root) {
            (Isolation::Namespaces, true) => "Containers run in their own Linux namespaces as \
                root without power over the machine: they see the host's programs, and what they \
                write outside volumes is kept in memory and dropped with them; the network is the \
                host's."
                .to_owned(),
            (Isolation::Namespaces, false) => "Containers run in their own Linux namespaces as \
                the calling user, who looks like root inside: they see the host's programs \
                read-only, and home directory and cluster state are hidden; the network is the \
                host's."
                .to_owned(),
            (Isolation::Plain, _) => format!(
                "Containers run as plain processes of the calling user on the host's own files \
                 ({because}): nothing is hidden from them, and a pod that mounts a path fails."
            ),
        }
    }
}
