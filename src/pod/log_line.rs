//! How the reference shows log lines: levels, prefixes, and lines that belong together.

use crate::clock::Timestamp;
use crate::pod::logs::{LogLevel, is_log_group_marker, level_of, parse_log_line};

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Opens or closes a foldable group: shown as it is, without a level.
    Marker(String),
    /// A message with its level.
    Message {
        /// What its first word says.
        level: LogLevel,
        /// The text, with the container in front if that was asked for.
        text: String,
    },
}

/// Shows one message of a container.
#[must_use]
pub fn show(message: &str, container: &str, prefix: bool) -> Shown {
    if is_log_group_marker(message) {
        return Shown::Marker(message.to_owned());
    }
    let text = if prefix {
        format!("[{container}] {message}")
    } else {
        message.to_owned()
    };
    Shown::Message {
        level: level_of(message),
        text,
    }
}

/// Shows what was read of a container's log.
///
/// A line without a time belongs to the message before it, and a line without text is left out.
/// The first line of the second in which the log was read ends the reading: more of that second
/// may come, and the next read begins there.
pub fn show_lines<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    read_at: Timestamp,
    container: &str,
    prefix: bool,
) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut open: Option<String> = None;
    for line in lines {
        let line = line.trim_end_matches('\n');
        let parsed = parse_log_line(line);
        if parsed
            .timestamp
            .is_some_and(|time| time.timestamp() == read_at.timestamp())
        {
            break;
        }
        if parsed.message.is_empty() {
            continue;
        }
        match (parsed.timestamp, &mut open) {
            (None, Some(message)) => {
                message.push('\n');
                message.push_str(parsed.message);
            }
            (Some(_), Some(_)) => {
                let before = open.replace(parsed.message.to_owned());
                shown.extend(before.map(|message| show(&message, container, prefix)));
            }
            (_, None) => open = Some(parsed.message.to_owned()),
        }
    }
    shown.extend(open.map(|message| show(&message, container, prefix)));
    shown
}
