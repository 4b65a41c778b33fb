//! Whether a pod that has not started still can.

use std::fmt;

use super::observation::{ContainerKind, ContainerState, PodObservation};

/// A container that will not start however long one waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopelessStart {
    /// Which container.
    pub container: String,
    /// The kubelet's reason: `InvalidImageName`, ...
    pub reason: String,
    /// The kubelet's words, possibly none.
    pub message: String,
}

impl fmt::Display for HopelessStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the image of container {} cannot be pulled ({})",
            self.container, self.reason
        )?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message.trim_end())?;
        }
        Ok(())
    }
}

/// What registries and networks say when the same pull may work a minute later. Compared in
/// lower case, anywhere in the message.
const TRANSIENT: [&str; 16] = [
    "503 service unavailable",
    "service unavailable",
    "504 gateway timeout",
    "gateway timeout",
    "502 bad gateway",
    "too many requests",
    "toomanyrequests",
    "rate limit",
    "qps exceeded",
    "temporarily unavailable",
    "temporary failure",
    "i/o timeout",
    "tls handshake timeout",
    "connection reset",
    "connection refused",
    "deadline exceeded",
];

/// The first container whose image can never be pulled.
///
/// A name that is no image name, and an absent image that must not be pulled, are hopeless at
/// once; a failed pull is, unless its message says that the registry or the network is at fault.
/// Init containers are not looked at: the start timeout bounds them.
#[must_use]
pub fn hopeless_start(observation: &PodObservation) -> Option<HopelessStart> {
    observation
        .containers
        .iter()
        .filter(|container| container.kind == ContainerKind::App)
        .find_map(|container| {
            let ContainerState::Waiting { reason, message } = &container.state else {
                return None;
            };
            let reason = reason.as_deref()?;
            let message = message.as_deref().unwrap_or_default();
            let hopeless = match reason {
                "InvalidImageName" | "ErrImageNeverPull" => true,
                "ErrImagePull" | "ImagePullBackOff" => {
                    let lower = message.to_lowercase();
                    !TRANSIENT.iter().any(|phrase| lower.contains(phrase))
                }
                _ => false,
            };
            hopeless.then(|| HopelessStart {
                container: container.name.clone(),
                reason: reason.to_owned(),
                message: message.to_owned(),
            })
        })
}
