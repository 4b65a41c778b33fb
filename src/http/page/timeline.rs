//! A task's life as a drawing: a lane for each state that it was in, and one with a mark for each
//! thing that happened.
//!
//! Along the drawing all is in hundredths of its width, so that it fits any page while its letters
//! keep their size. What would lie on top of each other is drawn once: a task that was resumed ten
//! thousand times makes no larger page than another.

use serde::Serialize;

use super::render::{exact, rough, took};
use crate::clock::Timestamp;
use crate::service::HistoryView;
use crate::store::PodMoments;

/// The height of a lane, in pixels: its name and its bars.
const LANE: u32 = 34;
/// The height of what is below the lanes.
const AXIS: u32 = 26;
/// Where the marks are below the lanes: the task's, and its pods'.
const TASK_MARKS: u32 = 14;
const POD_MARKS: u32 = 36;
/// The height of both.
const MARKS: u32 = 48;
/// The least width of a bar, and what two must be apart to be told from each other, in hundredths.
const LEAST: f64 = 0.25;
/// The same for marks.
const APART: f64 = 0.6;

/// A drawing.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    height: u32,
    lanes: Vec<Lane>,
    marks: Vec<Mark>,
    ticks: Vec<Tick>,
    /// Where the lanes end.
    marks_y: u32,
    /// Where the two lines of marks are, below that.
    rails: [u32; 2],
    axis_y: u32,
    /// The same in a sentence.
    words: String,
}

#[derive(Debug, Serialize)]
struct Lane {
    state: String,
    y: u32,
    total: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: String,
    width: String,
    title: String,
    #[serde(skip)]
    from: f64,
    #[serde(skip)]
    to: f64,
    #[serde(skip)]
    times: u32,
}

#[derive(Debug, Serialize)]
struct Mark {
    x: String,
    /// Below the lanes: what the task did stands above what its pods did.
    y: u32,
    kind: &'static str,
    title: String,
    #[serde(skip)]
    at: f64,
    #[serde(skip)]
    name: &'static str,
    #[serde(skip)]
    times: u32,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: String,
    anchor: &'static str,
    label: String,
}

/// What a drawing is made from.
pub(super) struct Life<'a> {
    /// Oldest first, as the store keeps it.
    pub(super) history: &'a [HistoryView],
    pub(super) pods: &'a [PodMoments],
    /// What the log tells of the first pod: the kind of its mark, and its name.
    pub(super) told: &'a [(Timestamp, &'static str, &'static str)],
    /// The end of the drawing: now, unless the task has ended.
    pub(super) now: Timestamp,
    pub(super) is_final: bool,
}

struct Scale {
    from: Timestamp,
    length_ms: f64,
}

impl Scale {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a life fit")]
    fn place(&self, at: Timestamp) -> f64 {
        let since = (at - self.from).num_milliseconds() as f64;
        (since / self.length_ms * 100.0).clamp(0.0, 100.0)
    }
}

fn hundredths(place: f64) -> String {
    format!("{place:.3}%")
}

impl Life<'_> {
    /// The drawing; none of a task without a history.
    pub(super) fn draw(&self) -> Option<Timeline> {
        let first = self.history.first()?;
        let last = self.history.last()?;
        let end = if self.is_final {
            last.at
        } else {
            self.now.max(last.at)
        };
        let length = (end - first.at).num_milliseconds().max(1);
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of a life fit")]
        let scale = Scale {
            from: first.at,
            length_ms: length as f64,
        };
        let lanes = self.lanes(&scale, end);
        let marks = self.marks(&scale);
        let marks_y = LANE * u32::try_from(lanes.len()).unwrap_or(0);
        let ticks = (0..=4).map(|quarter: i32| {
            let after = chrono::Duration::milliseconds(length * i64::from(quarter) / 4);
            Tick {
                x: hundredths(f64::from(quarter) * 25.0),
                anchor: match quarter {
                    0 => "start",
                    4 => "end",
                    _ => "middle",
                },
                label: if quarter == 0 {
                    first.at.format("%H:%M:%S").to_string()
                } else {
                    format!("+{}", took(first.at, first.at + after))
                },
            }
        });
        let count = |event: &str| {
            let of_it = self.history.iter().filter(|change| change.event == event);
            of_it.count()
        };
        let words = format!(
            "{} from submission to {}: deferred {} times, resumed {} times, now {}",
            took(first.at, end),
            if self.is_final { "its end" } else { "now" },
            count("defer"),
            count("fire"),
            last.to_state.replace('_', " "),
        );
        Some(Timeline {
            height: marks_y + MARKS + AXIS,
            marks_y,
            rails: [TASK_MARKS, POD_MARKS],
            axis_y: marks_y + MARKS,
            ticks: ticks.collect(),
            lanes,
            marks,
            words,
        })
    }

    fn lanes(&self, scale: &Scale, end: Timestamp) -> Vec<Lane> {
        let names = ["queued", "running", "deferred", "up_for_retry"];
        let mut lanes = Vec::new();
        for name in names {
            let mut bars: Vec<Bar> = Vec::new();
            let mut total = chrono::Duration::zero();
            for (index, change) in self.history.iter().enumerate() {
                if change.to_state != name {
                    continue;
                }
                let until = self.history.get(index + 1).map_or(end, |next| next.at);
                total += until - change.at;
                let (from, to) = (scale.place(change.at), scale.place(until));
                match bars.last_mut() {
                    Some(bar) if from - bar.to < LEAST => {
                        bar.to = to;
                        bar.times += 1;
                        bar.title = format!("{name}, {} times", bar.times);
                    }
                    Some(_) | None => bars.push(Bar {
                        x: String::new(),
                        width: String::new(),
                        title: format!(
                            "{name} for {} from {}",
                            took(change.at, until),
                            exact(change.at)
                        ),
                        from,
                        to,
                        times: 1,
                    }),
                }
            }
            for bar in &mut bars {
                let width = (bar.to - bar.from).max(LEAST);
                bar.x = hundredths(bar.from.min(100.0 - width));
                bar.width = hundredths(width);
            }
            if !bars.is_empty() {
                lanes.push(Lane {
                    state: name.to_owned(),
                    y: LANE * u32::try_from(lanes.len()).unwrap_or(0),
                    total: rough_or_exact(total),
                    bars,
                });
            }
        }
        lanes
    }

    fn marks(&self, scale: &Scale) -> Vec<Mark> {
        let mut happened: Vec<(Timestamp, &'static str, &'static str, String)> = Vec::new();
        for change in self.history {
            let (kind, name) = match change.event.as_str() {
                "submit" => ("queued", "submitted"),
                "defer" => ("deferred", "deferred"),
                "fire" => ("resumed", "resumed"),
                "postpone" => ("put_off", "put off"),
                "retry" | "retry_due" => ("queued", "another attempt"),
                "cancel" => ("cancelled", "cancelling asked for"),
                _ => match change.to_state.as_str() {
                    "success" => ("success", "succeeded"),
                    "failed" => ("failed", "failed"),
                    "skipped" => ("skipped", "skipped"),
                    "cancelled" => ("cancelled", "cancelled"),
                    "up_for_retry" => ("failed", "attempt failed"),
                    _ => continue,
                },
            };
            let reason = change.reason.clone().unwrap_or_default();
            happened.push((change.at, kind, name, reason));
        }
        for pod in self.pods {
            happened.push((pod.intended_at, "pod", "pod created", String::new()));
        }
        // The cluster tells some moments in whole seconds: none comes before the one it follows.
        let mut follows = self.pods.first().map(|pod| pod.intended_at);
        for (at, kind, name) in self.told {
            let at = follows.map_or(*at, |before| before.max(*at));
            follows = Some(at);
            happened.push((at, kind, name, String::new()));
        }
        happened.sort_by_key(|(at, ..)| *at);
        let mut marks: Vec<Mark> = Vec::new();
        for (at, kind, name, reason) in happened {
            let place = scale.place(at);
            let near = marks
                .iter_mut()
                .rev()
                .take_while(|mark| place - mark.at < APART)
                .find(|mark| mark.name == name);
            if let Some(mark) = near {
                mark.times += 1;
                mark.title = format!("{name}, {} times", mark.times);
                continue;
            }
            let colon = if reason.is_empty() { "" } else { ": " };
            marks.push(Mark {
                x: hundredths(place),
                y: match kind {
                    "pod" | "scheduled" | "started" | "line" => POD_MARKS,
                    _ => TASK_MARKS,
                },
                kind,
                title: format!("{name} at {}{colon}{reason}", exact(at)),
                at: place,
                name,
                times: 1,
            });
        }
        marks
    }
}

fn rough_or_exact(total: chrono::Duration) -> String {
    let total = total.to_std().unwrap_or_default();
    if total.as_secs() < 60 {
        crate::service::words::took(total)
    } else {
        rough(total)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn change(seconds: i64, event: &str, to: &str) -> HistoryView {
        HistoryView {
            at: Timestamp::UNIX_EPOCH + Duration::seconds(seconds),
            event: event.to_owned(),
            from_state: None,
            to_state: to.to_owned(),
            try_number: 1,
            reason: None,
        }
    }

    fn drawn(history: &[HistoryView], is_final: bool) -> Timeline {
        let life = Life {
            history,
            pods: &[],
            told: &[],
            now: Timestamp::UNIX_EPOCH + Duration::seconds(1000),
            is_final,
        };
        life.draw().unwrap()
    }

    #[test]
    fn each_state_has_a_lane_with_its_stretches() {
        let history = [
            change(0, "submit", "queued"),
            change(10, "claim", "running"),
            change(20, "defer", "deferred"),
            change(80, "fire", "queued"),
            change(90, "claim", "running"),
            change(100, "complete", "success"),
        ];
        let timeline = drawn(&history, true);
        let lanes: Vec<_> = timeline
            .lanes
            .iter()
            .map(|lane| lane.state.as_str())
            .collect();
        assert_eq!(lanes, ["queued", "running", "deferred"]);
        let deferred = &timeline.lanes[2].bars[0];
        assert_eq!(
            (deferred.x.as_str(), deferred.width.as_str()),
            ("20.000%", "60.000%")
        );
        let marks: Vec<_> = timeline.marks.iter().map(|mark| mark.name).collect();
        assert_eq!(marks, ["submitted", "deferred", "resumed", "succeeded"]);
    }

    #[test]
    fn what_has_not_ended_reaches_to_now() {
        let history = [
            change(0, "submit", "queued"),
            change(500, "claim", "running"),
        ];
        let timeline = drawn(&history, false);
        assert_eq!(timeline.lanes[1].bars[0].x, "50.000%");
        assert_eq!(timeline.lanes[1].bars[0].width, "50.000%");
    }

    #[test]
    fn ten_thousand_resumes_make_no_larger_drawing() {
        let mut history = vec![change(0, "submit", "queued")];
        for round in 0..10_000 {
            history.push(change(round * 10 + 1, "claim", "running"));
            history.push(change(round * 10 + 2, "defer", "deferred"));
            history.push(change(round * 10 + 9, "fire", "queued"));
        }
        let timeline = drawn(&history, true);
        assert!(timeline.marks.len() < 500, "{}", timeline.marks.len());
        for lane in &timeline.lanes {
            assert!(lane.bars.len() < 500, "{} {}", lane.state, lane.bars.len());
        }
    }
}
