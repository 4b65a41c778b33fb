//! Log lines as they are printed: for people, on a terminal, for machines.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::moments::log_stamp;
use crate::pod::logs::{LogLevel, level_of};
use crate::store::LogRow;
use crate::task::file::{ContainerSelection, TaskFile};
use crate::task::log::LineKind;
use crate::task::template::LogFormatter;

/// What comes before a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Style {
    /// `task/` before the container's name, where several tasks are shown.
    pub(super) label: Option<String>,
    /// Whether the container is named.
    pub(super) container: bool,
    /// Whether the moment is told.
    pub(super) timestamps: bool,
    /// The task's own way of showing a line, in place of the container's name before it.
    pub(super) formatter: Option<Arc<LogFormatter>>,
    /// What a line is printed as.
    pub(super) shape: Shape,
}

/// What a line is printed as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// The bytes that the container wrote.
    #[default]
    Bytes,
    /// The same, in the colour of the level that they begin with.
    Coloured,
    /// A JSON document.
    Json,
}

impl Shape {
    /// Colours are for terminals, and not for those who do not want any.
    pub(super) fn on_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !unwanted {
            Self::Coloured
        } else {
            Self::Bytes
        }
    }
}

/// A line for machines.
#[derive(Debug, Serialize)]
pub(super) struct LineView<'a> {
    seq: i64,
    try_number: u32,
    time: String,
    container: &'a str,
    /// `output`, or what is ours: `gap`, `event`.
    kind: LineKind,
    /// What the line itself begins with; `INFO` when it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    line: Cow<'a, str>,
    /// The bytes themselves, where they are no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    line_base64: Option<String>,
}

impl<'a> LineView<'a> {
    pub(super) fn of(row: &'a LogRow) -> Self {
        let line = String::from_utf8_lossy(&row.line.text);
        let output = match row.line.kind {
            LineKind::Output => true,
            LineKind::Gap | LineKind::Event => false,
        };
        Self {
            seq: row.seq,
            try_number: row.try_number,
            time: log_stamp(row.line.stamp_ns),
            container: &row.line.container,
            kind: row.line.kind,
            level: output.then(|| level_of(&line).as_str()),
            line_base64: std::str::from_utf8(&row.line.text)
                .is_err()
                .then(|| BASE64_STANDARD.encode(&row.line.text)),
            line,
        }
    }
}

/// What a terminal is told before a line of that level; nothing for the usual.
fn colour(level: LogLevel) -> Option<&'static str> {
    match level {
        LogLevel::Debug => Some("\x1b[2m"),
        LogLevel::Info => None,
        LogLevel::Warning => Some("\x1b[33m"),
        LogLevel::Error | LogLevel::Critical => Some("\x1b[31m"),
    }
}

const PLAIN_AGAIN: &str = "\x1b[0m";

impl Style {
    /// The style for one task among `tasks`, of which `file` is its definition, if it can be read.
    pub(super) fn of(file: Option<&TaskFile>, prefix: bool, several_tasks: bool) -> Self {
        let label = several_tasks.then_some(file).flatten().map(|file| {
            if file.map_index < 0 {
                file.task_id.clone()
            } else {
                format!("{}/{}", file.task_id, file.map_index)
            }
        });
        let asked = file.and_then(|file| file.pod.container_name_log_prefix_enabled);
        let container = prefix
            || asked.unwrap_or_else(|| several_tasks || file.is_some_and(shows_several_containers));
        // A template that cannot be used was refused at submit.
        let formatter = file
            .filter(|_| !prefix)
            .and_then(|file| LogFormatter::new(file.pod.log_formatter.as_deref()?).ok())
            .map(Arc::new);
        Self {
            label,
            container,
            timestamps: false,
            formatter,
            shape: Shape::Bytes,
        }
    }

    /// The line as it is printed.
    pub(super) fn line(&self, row: &LogRow) -> Vec<u8> {
        match self.shape {
            Shape::Bytes => self.bytes(row),
            Shape::Coloured => {
                let level = level_of(&String::from_utf8_lossy(&row.line.text));
                let mut bytes = self.bytes(row);
                if let Some(colour) = colour(level) {
                    bytes.splice(0..0, colour.bytes());
                    let end = bytes.len() - 1;
                    bytes.splice(end..end, PLAIN_AGAIN.bytes());
                }
                bytes
            }
            Shape::Json => {
                // Numbers and texts always serialise.
                let mut bytes = serde_json::to_vec(&LineView::of(row)).unwrap_or_default();
                bytes.push(b'\n');
                bytes
            }
        }
    }

    /// What the container wrote, behind what the style asks for.
    fn bytes(&self, row: &LogRow) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(row.line.text.len() + 16);
        if self.container && self.formatter.is_none() {
            let label = self.label.as_ref().map(|label| format!("{label}/"));
            let label = label.unwrap_or_default();
            bytes.extend(format!("[{label}{}] ", row.line.container).bytes());
        }
        if self.timestamps {
            bytes.extend(log_stamp(row.line.stamp_ns).bytes());
            bytes.push(b' ');
        }
        match &self.formatter {
            Some(formatter) => {
                let message = String::from_utf8_lossy(&row.line.text);
                bytes.extend(formatter.format(&row.line.container, &message).bytes());
            }
            None => bytes.extend(&row.line.text),
        }
        bytes.push(b'\n');
        bytes
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
