//! From a container's spec to the plan of its shim.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::place::PodPlace;
use super::shared::Shared;
use super::state::Waiting;
use super::{environment, images, volumes};
use crate::local_cluster::node::quantity::divided;
use crate::local_cluster::node::shim::dir::ContainerDir;
use crate::local_cluster::node::shim::plan::{ContainerPlan, Isolation, MountPlan};
use crate::local_cluster::objects::EventType;

/// Where a container's last words go, unless its spec says otherwise.
const TERMINATION_PATH: &str = "/dev/termination-log";

/// Why a container cannot be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It waits, and is tried again.
    Wait {
        /// What is shown meanwhile.
        waiting: Waiting,
        /// When to try again.
        after: Duration,
        /// What is said about it: kind, reason, text.
        events: Vec<(EventType, &'static str, String)>,
    },
    /// It can never be made here: the pod fails.
    Never {
        /// As in `Unsupported`.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
}

/// Between two tries of a container whose configuration is not complete.
const RETRY: Duration = Duration::from_secs(2);

/// Whether the image of `container` can be had. `tries` counts former failures.
///
/// # Errors
/// Why it cannot.
pub fn image(shared: &Shared, container: &Value, tries: u32) -> Result<(), Refusal> {
    let name = container["image"].as_str().unwrap_or_default();
    if let Some(fault) = images::fault(name) {
        return Err(waits(
            "InvalidImageName",
            &fault,
            RETRY,
            vec![
                (EventType::Warning, "InspectFailed", fault.clone()),
                (
                    EventType::Warning,
                    "Failed",
                    "Error: InvalidImageName".to_owned(),
                ),
            ],
        ));
    }
    let patterns = &shared.config.images;
    if patterns.is_empty() || patterns.iter().any(|pattern| images::fits(pattern, name)) {
        return Ok(());
    }
    if container["imagePullPolicy"] == "Never" {
        let message = format!("Container image {name:?} is not present with pull policy of Never");
        return Err(waits(
            "ErrImageNeverPull",
            &message,
            RETRY,
            vec![
                (EventType::Warning, "ErrImageNeverPull", message.clone()),
                (
                    EventType::Warning,
                    "Failed",
                    "Error: ErrImageNeverPull".to_owned(),
                ),
            ],
        ));
    }
    let missing = format!(
        "failed to pull image {name:?}: the local cluster pulls nothing, and no pattern of its \
         existing images fits this one"
    );
    // Odd tries are the pauses between two attempts.
    if tries.is_multiple_of(2) {
        return Err(waits(
            "ErrImagePull",
            &missing,
            RETRY,
            vec![
                (
                    EventType::Normal,
                    "Pulling",
                    format!("Pulling image {name:?}"),
                ),
                (
                    EventType::Warning,
                    "Failed",
                    format!("Failed to pull image {name:?}: {missing}"),
                ),
                (
                    EventType::Warning,
                    "Failed",
                    "Error: ErrImagePull".to_owned(),
                ),
            ],
        ));
    }
    let pause = Duration::from_secs(10).saturating_mul(1 << (tries / 2).min(5));
    Err(waits(
        "ImagePullBackOff",
        &format!("Back-off pulling image {name:?}: ErrImagePull: {missing}"),
        pause.min(Duration::from_secs(300)),
        vec![
            (
                EventType::Normal,
                "BackOff",
                format!("Back-off pulling image {name:?}"),
            ),
            (
                EventType::Warning,
                "Failed",
                "Error: ImagePullBackOff".to_owned(),
            ),
        ],
    ))
}

/// The plan of one run of `container`.
///
/// # Errors
/// Why there can be none.
pub fn plan(
    shared: &Shared,
    pod: &Value,
    container: &Value,
    place: &PodPlace,
    dir: &ContainerDir,
) -> Result<ContainerPlan, Refusal> {
    let isolation = shared.grounds.isolation;
    let hostname = hostname(pod);
    let incomplete = |message: String| {
        let said = format!("Error: {message}");
        let events = vec![(EventType::Warning, "Failed", said)];
        waits("CreateContainerConfigError", &message, RETRY, events)
    };
    let values = shared.values(pod);
    let env = environment::environment(container, &hostname, values).map_err(incomplete)?;
    let command = environment::command(container, &env).map_err(|message| {
        let events = vec![(EventType::Warning, "Failed", format!("Error: {message}"))];
        waits("CreateContainerError", &message, RETRY, events)
    })?;
    let mut mounts = volumes::mounts(&place.volumes(), pod, container).map_err(incomplete)?;
    if isolation == Isolation::Plain && !mounts.is_empty() {
        let name = container["name"].as_str().unwrap_or_default();
        return Err(Refusal::Never {
            reason: "MountsUnavailable",
            message: format!(
                "container {name:?} mounts a volume, which takes Linux namespaces: {}",
                shared.grounds.sentence()
            ),
        });
    }
    if isolation == Isolation::Namespaces {
        let path = container["terminationMessagePath"].as_str();
        mounts.push(MountPlan {
            source: dir.termination_log(),
            target: PathBuf::from(path.unwrap_or(TERMINATION_PATH)),
            read_only: false,
        });
    }
    let config = &shared.config;
    let mut limits = config.limits();
    let memory = container["resources"]["limits"]["memory"].as_str();
    limits.memory_bytes = memory.and_then(|most| u64::try_from(divided(most, "1")?).ok());
    let mut plan = ContainerPlan::new(command, isolation, limits, config.log_plan());
    plan.env = env;
    plan.working_dir = PathBuf::from(container["workingDir"].as_str().unwrap_or("/"));
    plan.hostname = hostname;
    plan.mounts = mounts;
    plan.hidden = shared.grounds.hidden.clone();
    plan.read_only_root = container["securityContext"]["readOnlyRootFilesystem"] == true;
    Ok(plan)
}

/// The user that a container asks for and does not get: it runs as whom the node runs as.
#[must_use]
pub fn ignored_user(shared: &Shared, pod: &Value, container: &Value) -> Option<i64> {
    let own = container["securityContext"]["runAsUser"].as_i64();
    let asked = own.or(pod["spec"]["securityContext"]["runAsUser"].as_i64())?;
    (asked != i64::from(shared.facts.user.0)).then_some(asked)
}

fn waits(
    reason: &str,
    message: &str,
    after: Duration,
    events: Vec<(EventType, &'static str, String)>,
) -> Refusal {
    Refusal::Wait {
        waiting: Waiting {
            reason: reason.to_owned(),
            message: Some(message.to_owned()),
        },
        after,
        events,
    }
}

/// The host name that the pod asks for, else its own name as far as a host name may be long.
fn hostname(pod: &Value) -> String {
    let asked = pod["spec"]["hostname"].as_str();
    let name = asked.or(pod["metadata"]["name"].as_str()).unwrap_or("pod");
    let short = name.get(..63).unwrap_or(name);
    short.trim_end_matches(['-', '.']).to_owned()
}
