//! Sentences about tasks, the same wherever they are told.

use std::error::Error;
use std::time::Duration;

use super::view::TaskView;

/// How long something took.
#[must_use]
pub fn took(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", length.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Keeps a text on its line: control characters of whatever a pod or a user wrote are escaped.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

/// How a task ended, in a line: what `run`, `wait`, `cancel` and a log that is followed end with.
#[must_use]
pub fn verdict(task: &TaskView) -> String {
    let reason = task
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty() && *reason != task.state)
        .map(one_line);
    let name = format!("task {}", task.id);
    match (task.state, reason) {
        ("success", _) => match task.started_at.zip(task.finished_at) {
            Some((start, end)) => {
                let length = (end - start).to_std().unwrap_or_default();
                format!("{name} succeeded in {}", took(length))
            }
            None => format!("{name} succeeded"),
        },
        (state, Some(reason)) => format!("{name} {state}: {reason}"),
        (state, None) => format!("{name} {state}"),
    }
}

/// An error with what caused it, in one line.
#[must_use]
pub fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_is_told_in_larger_units() {
        for (millis, shown) in [
            (40, "0.0s"),
            (3_240, "3.2s"),
            (125_000, "2m05s"),
            (3_900_000, "1h05m"),
        ] {
            assert_eq!(took(Duration::from_millis(millis)), shown);
        }
    }
}
