//! The line under the log: what `run` waits for, at a terminal.
//!
//! Whatever else is written to the terminal goes in its place: `aside` takes it away first, and
//! the next look at the tasks draws it again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Timestamp;
use crate::service::TaskView;
use crate::service::words::took;
use crate::task::id::TaskId;

/// What is drawn at this moment, if anything is.
static DRAWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Takes the line away, so that something else can be written.
pub(super) fn aside() {
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lines) = &*drawn {
        // A terminal that takes nothing is told nothing else either.
        let _ = lines.clear();
    }
}

/// A line about one task, or a bar about several.
pub(super) struct Live {
    bar: ProgressBar,
    since: Timestamp,
    ended: u64,
    several: bool,
}

impl Live {
    /// The line, where stderr is a terminal.
    pub(super) fn at_a_terminal(tasks: usize, now: Timestamp) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let several = tasks > 1;
        let template = if several {
            "[{bar:30}] {pos}/{len}  {wide_msg}"
        } else {
            "{wide_msg}"
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = lines.add(ProgressBar::new(tasks as u64).with_style(style));
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines);
        Some(Self {
            bar,
            since: now,
            ended: 0,
            several,
        })
    }

    /// Draws what there is to tell; `events` are the pods' last events by task.
    pub(super) fn draw(
        &mut self,
        views: &[TaskView],
        events: &BTreeMap<TaskId, String>,
        now: Timestamp,
    ) {
        let words = if self.several {
            self.counts(views, now)
        } else {
            let Some(task) = views.first() else { return };
            one(task, events.get(&task.id), now)
        };
        self.ended += views.iter().filter(|task| task.is_final).count() as u64;
        self.bar.set_position(self.ended);
        self.bar.set_message(words);
        self.bar.tick();
    }

    fn counts(&self, views: &[TaskView], now: Timestamp) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for task in views.iter().filter(|task| !task.is_final) {
            *counts.entry(task.state).or_default() += 1;
        }
        let mut words: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        words.push(took(whole(now - self.since)));
        words.join(", ")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn one(task: &TaskView, event: Option<&String>, now: Timestamp) -> String {
    let pod = event.map(|event| format!(", pod {event}"));
    let since = task.started_at.unwrap_or(task.submitted_at);
    format!(
        "task {} {}{}, {}, {} resumes",
        task.id,
        task.state,
        pod.unwrap_or_default(),
        took(whole(now - since)),
        task.resumes
    )
}

/// Whole seconds: the line is no stopwatch.
fn whole(length: chrono::TimeDelta) -> Duration {
    Duration::from_secs(length.num_seconds().max(0).unsigned_abs())
}
