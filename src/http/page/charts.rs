//! Which charts the overview has, and from what each is made.

use super::chart::{Axis, Chart, Series, Unit, Words, draw};
use crate::metrics::Stretch;
use crate::service::{Lately, Slot};

/// The charts of `lately`, which the database holds, and of `stretch`, which only this daemon knows.
pub(super) fn charts(lately: &Lately, stretch: &Stretch) -> Vec<Chart> {
    let axis = Axis {
        since: lately.since,
        slot_ms: lately.slot_ms,
    };
    let begun = chrono::Duration::from_std(stretch.begun).unwrap_or_default();
    let own = Axis {
        since: lately.until - begun,
        slot_ms: i64::try_from(stretch.slot.as_millis()).unwrap_or(i64::MAX),
    };
    vec![
        under_way(lately, axis),
        ended(lately, axis),
        detection(stretch, own),
        reaction(lately, axis),
        api_errors(stretch, own),
        put_off(lately, axis),
        overdue(stretch, own),
    ]
}

fn under_way(lately: &Lately, axis: Axis) -> Chart {
    let words = Words {
        id: "under-way",
        title: "Tasks under way, by state",
        note: "At the end of each slot, counted back from now by the history of changes."
            .to_owned(),
        unit: Unit::Count,
        nothing: "no task in this time",
    };
    let series = ["running", "deferred", "queued", "up_for_retry"];
    by_state(words, lately, axis, &series, |slot| &slot.states)
}

fn ended(lately: &Lately, axis: Axis) -> Chart {
    let words = Words {
        id: "ended",
        title: "Tasks that ended, by state",
        note: "How many in each slot.".to_owned(),
        unit: Unit::Count,
        nothing: "no task in this time",
    };
    let series = ["success", "skipped", "cancelled", "failed"];
    by_state(words, lately, axis, &series, |slot| &slot.ended)
}

fn by_state(
    words: Words,
    lately: &Lately,
    axis: Axis,
    states: &[&'static str],
    counts: impl Fn(&Slot) -> &std::collections::BTreeMap<&'static str, i64>,
) -> Chart {
    let series = states.iter().map(|state| Series {
        class: state,
        name: state,
    });
    let slot = |slot: &Slot| {
        let figures = states
            .iter()
            .map(|state| figure(counts(slot).get(state).copied().unwrap_or(0)));
        figures.collect::<Vec<f64>>()
    };
    let values = lately.slots.iter().map(slot);
    draw(words, axis, series.collect(), values)
}

fn reaction(lately: &Lately, axis: Axis) -> Chart {
    let words = Words {
        id: "reaction",
        title: "Reaction: from a fired trigger to its worker",
        note: "The median, and on top of it what the slowest took beyond that.".to_owned(),
        unit: Unit::Milliseconds,
        nothing: "no trigger fired in this time",
    };
    let series = vec![
        Series {
            class: "median",
            name: "median",
        },
        Series {
            class: "slowest",
            name: "slowest beyond it",
        },
    ];
    let values = lately.slots.iter().map(|slot| {
        let waits = &slot.resumed_after_ms;
        let at = |index: usize| waits.get(index).copied().unwrap_or(0);
        let median = at(waits.len() / 2);
        let slowest = waits.last().copied().unwrap_or(0);
        vec![figure(median), figure(slowest - median)]
    });
    draw(words, axis, series, values)
}

fn detection(stretch: &Stretch, axis: Axis) -> Chart {
    let words = Words {
        id: "detection",
        title: "Detection: from a cluster's report to the stored resume",
        note:
            "The mean, and on top of it what the slowest took beyond that. Since this daemon began."
                .to_owned(),
        unit: Unit::Milliseconds,
        nothing: "no report led to a resume in this time",
    };
    let series = vec![
        Series {
            class: "median",
            name: "mean",
        },
        Series {
            class: "slowest",
            name: "slowest beyond it",
        },
    ];
    let values = stretch.slots.iter().map(|slot| {
        let mean = slot
            .detection_sum
            .checked_div(slot.detections)
            .unwrap_or_default();
        let beyond = slot.detection_slowest.saturating_sub(mean);
        vec![milliseconds(mean), milliseconds(beyond)]
    });
    draw(words, axis, series, values)
}

fn api_errors(stretch: &Stretch, axis: Axis) -> Chart {
    let words = Words {
        id: "api-errors",
        title: "Errors of the Kubernetes API",
        note: "Of all requests of a slot, how many had no answer, or one with 429 or from 500 on. Since this daemon began."
            .to_owned(),
        unit: Unit::Percent,
        nothing: "none in this time",
    };
    let series = vec![Series {
        class: "failed",
        name: "errors",
    }];
    let values = stretch.slots.iter().map(|slot| {
        let failed = whole(slot.failed_requests);
        vec![failed / whole(slot.requests.max(1)) * 100.0]
    });
    draw(words, axis, series, values)
}

fn overdue(stretch: &Stretch, axis: Axis) -> Chart {
    let words = Words {
        id: "overdue",
        title: "Oldest overdue trigger",
        note: "How late the oldest look at a waiting task was, at the worst in each slot. Since this daemon began."
            .to_owned(),
        unit: Unit::Milliseconds,
        nothing: "none was late in this time",
    };
    let series = vec![Series {
        class: "up_for_retry",
        name: "late",
    }];
    let values = stretch
        .slots
        .iter()
        .map(|slot| vec![milliseconds(slot.overdue)]);
    draw(words, axis, series, values)
}

fn put_off(lately: &Lately, axis: Axis) -> Chart {
    let words = Words {
        id: "put-off",
        title: "Steps put off because of the cluster",
        note: "Of all steps that began in a slot, how many the Kubernetes API's errors postponed."
            .to_owned(),
        unit: Unit::Percent,
        nothing: "none in this time",
    };
    let series = vec![Series {
        class: "failed",
        name: "put off",
    }];
    let values = lately.slots.iter().map(|slot| {
        let of = slot.steps.max(slot.put_off).max(1);
        vec![figure(slot.put_off) / figure(of) * 100.0]
    });
    draw(words, axis, series, values)
}

fn milliseconds(length: std::time::Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "for a drawing")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "for a drawing")]
fn figure(count: i64) -> f64 {
    count as f64
}
