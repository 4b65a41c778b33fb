//! Following tasks: their log lines as they are stored, and their end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::CliError;
use super::lines::{Shape, Style};
use super::live::{Live, Pod};
use super::output::{Output, say};
use super::phases::Phases;
use super::tasks::Tasks;
use crate::clock::Clock;
use crate::service::words::{one_line, took};
use crate::service::{LogFilter, TaskView};
use crate::store::{LogRow, TaskFilter};
use crate::task::id::TaskId;
use crate::task::log::LineKind;

/// How many lines are read from the store at once.
pub(super) const PAGE: u32 = 1000;

/// The longest wait for a look at the store when nothing woke the follower.
const LOOK: Duration = Duration::from_secs(1);

/// A task that is followed.
pub(super) struct Followed {
    pub(super) id: TaskId,
    /// The number of the last line that was shown.
    pub(super) after: i64,
    pub(super) style: Style,
    /// What was told last about why it does not go on.
    pub(super) told: Option<String>,
}

impl Followed {
    /// A task whose lines are shown from the number behind `after` on.
    pub(super) fn new(id: TaskId, after: i64, style: Style) -> Self {
        Self {
            id,
            after,
            style,
            told: None,
        }
    }
}

/// Follows tasks to their ends.
pub(super) struct Follower<'a> {
    pub(super) source: &'a Tasks,
    pub(super) tasks: Vec<Followed>,
    pub(super) wanted: LogFilter,
    pub(super) output: Output,
    pub(super) clock: Clock,
    /// The line under the log, where there is a terminal for it.
    pub(super) live: Option<Live>,
    /// What is known of the pods' phases, where this process watches them.
    pub(super) phases: Option<Phases>,
    /// The last event of each task's pod, in a word.
    pub(super) events: BTreeMap<TaskId, String>,
}

impl Follower<'_> {
    /// Shows every line until all tasks have ended; answers how each did, in the order of their
    /// names on the command line.
    ///
    /// # Errors
    /// What the store says, or that nobody reads the lines any more.
    pub(super) async fn follow(&mut self) -> Result<Vec<TaskView>, CliError> {
        let mut ended: Vec<TaskView> = Vec::with_capacity(self.tasks.len());
        let order: Vec<TaskId> = self.tasks.iter().map(|task| task.id).collect();
        let mut changes = self.source.changes().await?;
        loop {
            changes.seen();
            // First the states, then the lines: of a task that has ended no more will come.
            let filter = TaskFilter {
                ids: self.tasks.iter().map(|task| task.id).collect(),
                ..TaskFilter::default()
            };
            let views = self.source.list(&filter).await?;
            self.nobody_removed(&views)?;
            self.draw(&views).await;
            for view in views {
                self.show(view.id, view.log_seq).await?;
                self.tell_what_holds_up(&view);
                if view.is_final {
                    self.tasks.retain(|task| task.id != view.id);
                    ended.push(view);
                }
            }
            if self.tasks.is_empty() {
                self.live = None;
                ended.sort_by_key(|view| order.iter().position(|id| *id == view.id));
                return Ok(ended);
            }
            changes.next(LOOK).await?;
        }
    }

    async fn draw(&mut self, views: &[TaskView]) {
        let Some(live) = &mut self.live else { return };
        let mut pods = BTreeMap::new();
        for task in live.shown(views) {
            let phase = match &self.phases {
                Some(phases) => phases.of(task.id).await,
                None => None,
            };
            let event = self.events.get(&task.id).cloned();
            pods.insert(task.id, Pod { phase, event });
        }
        live.draw(views, &pods, self.clock.now());
    }

    /// A task that somebody removed meanwhile will never end.
    fn nobody_removed(&self, views: &[TaskView]) -> Result<(), CliError> {
        let removed = self
            .tasks
            .iter()
            .find(|task| views.iter().all(|view| view.id != task.id));
        match removed {
            Some(task) => Err(CliError::NotFound(format!(
                "task {} has been removed from the database",
                task.id
            ))),
            None => Ok(()),
        }
    }

    /// A task that waits for something outside to get well, or for its next attempt, says why.
    fn tell_what_holds_up(&mut self, view: &TaskView) {
        let (Some(until), Some(reason)) = (view.not_before, &view.reason) else {
            return;
        };
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == view.id) else {
            return;
        };
        let waits = (until - self.clock.now()).to_std().unwrap_or_default();
        if waits.is_zero() || task.told.as_ref() == Some(reason) {
            return;
        }
        let what = if view.state == "up_for_retry" {
            format!("try {} of {} failed", view.try_number, view.max_tries)
        } else {
            "does not go on yet".to_owned()
        };
        say(format!(
            "task {} {what}: {}; tried again in {}",
            view.id,
            one_line(reason),
            took(waits)
        ));
        task.told = Some(reason.clone());
    }

    /// Shows what is new in a task's log, up to the line number `newest` at least.
    async fn show(&mut self, id: TaskId, newest: i64) -> Result<(), CliError> {
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) else {
            return Ok(());
        };
        while task.after < newest {
            let rows = self.source.log(id, task.after, PAGE).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            task.after = last.seq;
            if let Some(event) = rows.iter().rev().find_map(event_of) {
                self.events.insert(id, event);
            }
            print(&rows, &task.style, &self.wanted, &mut self.output).await?;
        }
        Ok(())
    }
}

/// What happened to the pod, of a row that tells of that: `Started` of `Normal Started: ...`.
fn event_of(row: &LogRow) -> Option<String> {
    match row.line.kind {
        LineKind::Event => {
            let text = String::from_utf8_lossy(&row.line.text);
            let (head, _) = text.split_once(':')?;
            head.split_whitespace().last().map(str::to_owned)
        }
        LineKind::Output | LineKind::Gap => None,
    }
}

/// Tells a remark of ours on stderr; where several tasks are shown, with whose it is.
fn remark(style: &Style, text: &[u8]) {
    for line in String::from_utf8_lossy(text).lines() {
        match &style.label {
            Some(label) => say(format!("[{label}] {line}")),
            None => say(line),
        }
    }
}

/// Prints lines: what containers wrote to `output`, our own remarks to stderr; or, for machines,
/// all of them to `output`.
pub(super) async fn print(
    rows: &[LogRow],
    style: &Style,
    wanted: &LogFilter,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut bytes = Vec::new();
    for row in rows.iter().filter(|row| wanted.takes(row)) {
        if style.shape == Shape::Json {
            bytes.extend(style.line(row));
            continue;
        }
        match row.line.kind {
            LineKind::Output => bytes.extend(style.line(row)),
            LineKind::Gap | LineKind::Event => {
                // In its place: what comes before it goes out first.
                output.write(&bytes).await?;
                bytes.clear();
                remark(style, &row.line.text);
            }
        }
    }
    if bytes.is_empty() {
        return Ok(());
    }
    output.write(&bytes).await
}
