//! `adjourn get -w`: tasks, a line each, and a line again whenever one has changed.

use std::collections::HashMap;

use super::args::Format;
use super::error::CliError;
use super::get::{GetArgs, find, header, row};
use super::output::{answer, print_one};
use super::signals::Signals;
use super::situation::Situation;
use crate::service::TaskView;
use crate::task::id::TaskId;

/// The longest wait for a look at the store when nothing woke the watch.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// What a change is a change of.
type Shown = (&'static str, u32, u32, Option<String>, Option<i32>);

fn shown(task: &TaskView) -> Shown {
    (
        task.state,
        task.try_number,
        task.resumes,
        task.reason.clone(),
        task.exit_code,
    )
}

/// Prints the tasks that there are, then each as it changes, until somebody interrupts.
pub(super) async fn run(args: &GetArgs, situation: &Situation) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = watch(args, situation) => ended,
        () = signals.next() => Err(CliError::Interrupted),
    }
}

async fn watch(args: &GetArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = situation.needed_tasks().await?;
    let mut changes = tasks.changes().await?;
    let mut seen: HashMap<TaskId, Shown> = HashMap::new();
    let mut page = Page::new(situation);
    loop {
        changes.seen();
        // Oldest first, so that what is new comes last.
        let found = find(args, &tasks).await?;
        let changed: Vec<&TaskView> = found
            .iter()
            .rev()
            .filter(|task| seen.get(&task.id) != Some(&shown(task)))
            .collect();
        page.print(&changed).await?;
        seen = found.iter().map(|task| (task.id, shown(task))).collect();
        changes.next(LOOK).await?;
    }
}

/// Rows that come one after another under one header.
struct Page<'a> {
    situation: &'a Situation,
    widths: Option<Vec<usize>>,
}

impl<'a> Page<'a> {
    fn new(situation: &'a Situation) -> Self {
        Self {
            situation,
            widths: None,
        }
    }

    async fn print(&mut self, tasks: &[&TaskView]) -> Result<(), CliError> {
        let format = self.situation.format();
        match format {
            Format::Json | Format::Jsonl => {
                for task in tasks {
                    print_one(format, task).await?;
                }
                Ok(())
            }
            Format::Yaml => {
                for task in tasks {
                    answer("---\n").await?;
                    print_one(format, task).await?;
                }
                Ok(())
            }
            Format::Name => {
                let ids: String = tasks.iter().map(|task| format!("{}\n", task.id)).collect();
                answer(&ids).await
            }
            Format::Table | Format::Wide => self.rows(tasks, format == Format::Wide).await,
        }
    }

    async fn rows(&mut self, tasks: &[&TaskView], wide: bool) -> Result<(), CliError> {
        if tasks.is_empty() {
            return Ok(());
        }
        let now = self.situation.clock.now();
        let mut rows: Vec<Vec<String>> = tasks.iter().map(|task| row(task, wide, now)).collect();
        if self.widths.is_none() {
            rows.insert(0, header(wide).into_iter().map(str::to_owned).collect());
        }
        let mut widths = self.widths.take().unwrap_or_default();
        widths.resize(rows[0].len(), 0);
        for cells in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        let text: String = rows.iter().map(|cells| line(cells, &widths)).collect();
        self.widths = Some(widths);
        answer(&text).await
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths);
    let text: String = padded
        .map(|(cell, width)| format!("{cell:<width$}   "))
        .collect();
    format!("{}\n", text.trim_end())
}
