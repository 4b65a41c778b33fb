//! Log lines as documents, and how a task's own definition wants them shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pod::logs::level_of;
use crate::store::LogRow;
use crate::task::file::{ContainerSelection, TaskFile};
use crate::task::log::{LineKind, LogLine};

/// A line for machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Its place in the task's log, counted from 1.
    pub seq: i64,
    /// The attempt that it belongs to.
    pub try_number: u32,
    /// When it was written, to the nanosecond.
    pub time: String,
    /// The container that wrote it; empty for a remark about the whole pod.
    pub container: String,
    /// `output`, or what is ours: `gap`, `event`.
    #[schema(value_type = String)]
    pub kind: LineKind,
    /// What the line itself begins with; `INFO` when it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The line, without its newline.
    pub line: String,
    /// The bytes themselves, where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_base64: Option<String>,
}

impl LineView {
    /// The document of a stored line.
    #[must_use]
    pub fn of(row: &LogRow) -> Self {
        let line = String::from_utf8_lossy(&row.line.text);
        let output = match row.line.kind {
            LineKind::Output => true,
            LineKind::Gap | LineKind::Event => false,
        };
        Self {
            seq: row.seq,
            try_number: row.try_number,
            time: stamp(row.line.stamp_ns),
            container: row.line.container.to_string(),
            kind: row.line.kind,
            level: output.then(|| level_of(&line).as_str().to_owned()),
            line_base64: std::str::from_utf8(&row.line.text)
                .is_err()
                .then(|| BASE64_STANDARD.encode(&row.line.text)),
            line: line.into_owned(),
        }
    }

    /// The line again, as it is stored.
    #[must_use]
    pub fn into_row(self) -> LogRow {
        let bytes = self
            .line_base64
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        let at = DateTime::parse_from_rfc3339(&self.time).ok();
        LogRow {
            seq: self.seq,
            try_number: self.try_number,
            line: LogLine {
                container: self.container.into(),
                stamp_ns: at.and_then(|at| at.timestamp_nanos_opt()).unwrap_or(0),
                text: bytes.unwrap_or_else(|| self.line.into_bytes()).into(),
                kind: self.kind,
            },
        }
    }
}

/// The moment of a log line, to the nanosecond.
#[must_use]
pub fn stamp(stamp_ns: i64) -> String {
    DateTime::from_timestamp_nanos(stamp_ns).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// Which of a log's lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Only this container.
    pub container: Option<String>,
    /// Only lines from this moment on, in nanoseconds since the Unix epoch.
    pub since_ns: Option<i64>,
}

impl LogFilter {
    /// Lines of this container, from this moment on.
    #[must_use]
    pub fn new(container: Option<String>, since: Option<DateTime<Utc>>) -> Self {
        let nanoseconds = |moment: DateTime<Utc>| {
            // What lies outside the centuries that fit lies before or behind every line.
            let far = if moment > DateTime::UNIX_EPOCH {
                i64::MAX
            } else {
                i64::MIN
            };
            moment.timestamp_nanos_opt().unwrap_or(far)
        };
        Self {
            container,
            since_ns: since.map(nanoseconds),
        }
    }

    /// Whether a line is among them.
    #[must_use]
    pub fn takes(&self, row: &LogRow) -> bool {
        self.container
            .as_ref()
            .is_none_or(|container| container.as_str() == &*row.line.container)
            && self.since_ns.is_none_or(|since| row.line.stamp_ns >= since)
    }
}

/// How a task's own definition wants its lines to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogStyle {
    /// Whether each line's container is named, where the definition says so.
    pub prefix: Option<bool>,
    /// Whether the log may hold lines of more than one container.
    pub several_containers: bool,
    /// The definition's own template for a line, with `container` and `message`.
    pub formatter: Option<String>,
}

impl LogStyle {
    /// What a task's definition says.
    #[must_use]
    pub fn of(file: &TaskFile) -> Self {
        Self {
            prefix: file.pod.container_name_log_prefix_enabled,
            several_containers: shows_several_containers(file),
            formatter: file.pod.log_formatter.clone(),
        }
    }

    /// Whether each line's container is named.
    #[must_use]
    pub fn names_containers(&self) -> bool {
        self.prefix.unwrap_or(self.several_containers)
    }
}

/// Whether the log may hold lines of more than one container.
fn shows_several_containers(task: &TaskFile) -> bool {
    let shown = |selection: &Option<ContainerSelection>, all: usize| match selection {
        None => 0,
        Some(ContainerSelection::All(wanted)) => usize::from(*wanted) * all,
        Some(ContainerSelection::One(_)) => 1,
        Some(ContainerSelection::Named(names)) => names.len(),
    };
    let pod = &task.pod;
    let in_template = |key: &str| {
        [&pod.full_pod_spec, &pod.pod_template_dict]
            .into_iter()
            .flatten()
            .filter_map(|pod| pod.get("spec")?.get(key)?.as_array())
            .map(Vec::len)
            .max()
            .unwrap_or(0)
    };
    let containers = in_template("containers").max(1) + usize::from(pod.do_xcom_push);
    let first = in_template("initContainers").max(pod.init_containers.len());
    let base = usize::from(pod.get_logs);
    let named = shown(&pod.container_logs, containers);
    base.max(named) + shown(&pod.init_container_logs, first) > 1
}
