//! The lines under the log: what `run` waits for, at a terminal.
//!
//! Whatever else is written to the terminal goes in its place: `aside` takes it away first, and
//! the next look at the tasks draws it again.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Timestamp;
use crate::pod::observe::PodPhase;
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

/// How many tasks have a bar of their own; the line below counts them all.
const BARS: usize = 8;

/// How far a task can come, as its bar shows it.
const STAGES: u64 = 4;

/// What is known of a task's pod.
#[derive(Default)]
pub(super) struct Pod {
    pub(super) phase: Option<PodPhase>,
    /// Its last event, in a word.
    pub(super) event: Option<String>,
}

/// A line about one task; or a bar for each of several, and a line about all of them.
pub(super) struct Live {
    lines: MultiProgress,
    /// The bars of tasks that have not ended; none for a single task.
    bars: Vec<ProgressBar>,
    all: ProgressBar,
    since: Timestamp,
    ended: u64,
}

impl Live {
    /// The lines, where stderr is a terminal.
    pub(super) fn at_a_terminal(tasks: usize, now: Timestamp) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let (bars, all) = if tasks > 1 {
            let bar = || lines.add(bar("[{bar:12}] {wide_msg}", STAGES));
            let bars = (0..tasks.min(BARS)).map(|_| bar()).collect();
            (bars, "[{bar:30}] {pos}/{len}  {wide_msg}")
        } else {
            (Vec::new(), "{wide_msg}")
        };
        let all = lines.add(bar(all, tasks as u64));
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines.clone());
        Some(Self {
            lines,
            bars,
            all,
            since: now,
            ended: 0,
        })
    }

    /// The tasks that something is drawn about one by one: those that have begun before those that
    /// wait for their turn, and no two of them ever change places.
    pub(super) fn shown<'a>(&self, views: &'a [TaskView]) -> Vec<&'a TaskView> {
        let mut open: Vec<&TaskView> = views.iter().filter(|task| !task.is_final).collect();
        open.sort_by_key(|task| (task.started_at.is_none(), task.id));
        open.truncate(self.bars.len().max(1));
        open
    }

    /// Draws what there is to tell; `pods` are those of the tasks that are shown.
    pub(super) fn draw(
        &mut self,
        views: &[TaskView],
        pods: &BTreeMap<TaskId, Pod>,
        now: Timestamp,
    ) {
        self.ended += views.iter().filter(|task| task.is_final).count() as u64;
        let shown = self.shown(views);
        let nothing = Pod::default();
        let words = if self.bars.is_empty() {
            let Some(task) = shown.first() else { return };
            let pod = pods.get(&task.id).unwrap_or(&nothing);
            format!("task {} {}", task.id, one(task, pod, now))
        } else {
            for bar in self.bars.split_off(shown.len().min(self.bars.len())) {
                bar.finish_and_clear();
                self.lines.remove(&bar);
            }
            for (bar, task) in self.bars.iter().zip(&shown) {
                let pod = pods.get(&task.id).unwrap_or(&nothing);
                bar.set_position(stage(task, pod));
                bar.set_message(format!("{} {}", label(task), one(task, pod, now)));
            }
            self.counts(views, now)
        };
        self.all.set_position(self.ended);
        self.all.set_message(words);
        self.all.tick();
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
        for bar in self.bars.iter().chain([&self.all]) {
            bar.finish_and_clear();
        }
        *DRAWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn bar(template: &str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(length).with_style(style)
}

/// Its name among others.
fn label(task: &TaskView) -> String {
    if task.map_index < 0 {
        task.task_id.clone()
    } else {
        format!("{}/{}", task.task_id, task.map_index)
    }
}

/// How far a task has come: taken up, its pod there, its pod at work, ended.
fn stage(task: &TaskView, pod: &Pod) -> u64 {
    match pod.phase {
        Some(PodPhase::Succeeded | PodPhase::Failed) => STAGES,
        Some(PodPhase::Running | PodPhase::Unknown) => 3,
        Some(PodPhase::Pending) => 2,
        None if pod.event.as_deref() == Some("Started") => 3,
        None if pod.event.is_some() || task.state == "deferred" => 2,
        None => u64::from(task.state == "running"),
    }
}

/// How a task is: its state, its pod's phase or its last event, how long and how often resumed.
fn one(task: &TaskView, pod: &Pod, now: Timestamp) -> String {
    let phase = pod.phase.map(PodPhase::as_str);
    let pod = phase
        .or(pod.event.as_deref())
        .map(|words| format!(", pod {words}"));
    let since = task.started_at.unwrap_or(task.submitted_at);
    format!(
        "{}{}, {}, {} resumes",
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
