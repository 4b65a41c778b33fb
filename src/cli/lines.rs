//! Log lines as they are printed: for people, on a terminal, for machines.

use std::io::IsTerminal;
use std::sync::Arc;

use crate::pod::logs::{LogLevel, level_of};
use crate::service::{LineView, LogStyle, log_stamp};
use crate::store::LogRow;
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
    /// The style for a task whose definition asks for `asked`; `label` names it among several.
    pub(super) fn of(asked: &LogStyle, label: Option<String>, prefix: bool) -> Self {
        let container = prefix
            || asked
                .prefix
                .unwrap_or(label.is_some() || asked.several_containers);
        // A template that cannot be used was refused at submit.
        let formatter = asked
            .formatter
            .as_deref()
            .filter(|_| !prefix)
            .and_then(|template| LogFormatter::new(template).ok())
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
