//! A container's log: its lines, and how far it has been read.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One line that a container wrote, or a remark in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The container that wrote it; empty for a remark about the whole pod.
    pub container: Arc<str>,
    /// When the line ended, in nanoseconds since the Unix epoch, as the kubelet stamped it.
    pub stamp_ns: i64,
    /// The bytes of the line, without its newline. Not necessarily UTF-8. A part of what came
    /// from the cluster, not a copy of it.
    pub text: Bytes,
    /// Whether the line was written by the container or is a remark of ours about the log.
    pub kind: LineKind,
}

/// Who speaks in a [`LogLine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The container.
    Output,
    /// A remark of ours: lines are known or suspected to be missing here.
    Gap,
    /// A remark about the pod: an event of the cluster's, or what it looked like when it failed.
    Event,
}

/// How far one container instance's log has been read.
///
/// The API server filters by whole seconds only, so the reader asks from the cursor's second on
/// and drops what the cursor already covers: every line before `stamp_ns`, and the first
/// `seen_at_stamp` lines that carry exactly `stamp_ns`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogCursor {
    /// The container instance, as `status.containerStatuses[].containerID` names it. Another id
    /// means a restarted container, whose log begins anew.
    pub container_id: String,
    /// The stamp of the last line that was taken, in nanoseconds since the Unix epoch.
    pub stamp_ns: i64,
    /// How many lines with exactly that stamp were taken.
    pub seen_at_stamp: u32,
    /// Whether the container has ended and its log was read to the end.
    pub complete: bool,
}
