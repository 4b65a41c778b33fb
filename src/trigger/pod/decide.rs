//! What a pod trigger makes of a look at its pod: a pure function.

use std::time::Duration;

use chrono::TimeDelta;

use super::kwargs::PodTerms;
use crate::clock::Timestamp;
use crate::pod::observe::{
    ContainerState, PodObservation, PodVerdict, StartStage, hopeless_start, judge,
};
use crate::task::deferral::{EventStatus, TriggerEvent};

/// How long a silent node may take to come back before it is given up as lost.
pub const NODE_GRACE: TimeDelta = TimeDelta::seconds(300);

/// What was first seen when, by our own clock: the cluster's may be an hour off.
///
/// Kept in memory alone. After a restart it begins anew, and the bounds that build on it are
/// bounded by stored ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstSeen {
    /// A node had been chosen.
    pub scheduled: Option<Timestamp>,
    /// The node had stopped reporting.
    pub silent: Option<Timestamp>,
}

impl FirstSeen {
    /// Takes in another look at the pod.
    #[must_use]
    pub fn and(self, observation: &PodObservation, now: Timestamp) -> Self {
        Self {
            scheduled: self.scheduled.or(observation.scheduled.then_some(now)),
            silent: observation.node_silent.then(|| self.silent.unwrap_or(now)),
        }
    }
}

/// The event that a look at the pod calls for, if it calls for one.
#[must_use]
pub fn decide(
    terms: &PodTerms,
    seen: FirstSeen,
    observation: &PodObservation,
    now: Timestamp,
) -> Option<TriggerEvent> {
    let event = |status, reason: String| {
        Some(TriggerEvent {
            status,
            reason,
            at: now,
            payload: serde_json::to_value(observation).unwrap_or_default(),
        })
    };
    match judge(observation, &terms.base_container) {
        PodVerdict::Succeeded => event(
            EventStatus::Success,
            format!("container {} ended with exit code 0", terms.base_container),
        ),
        PodVerdict::Failed(failure) if observation.gone => {
            event(EventStatus::Error, failure.reason)
        }
        PodVerdict::Failed(failure) => event(EventStatus::Failed, failure.reason),
        PodVerdict::Pending(pending) => {
            if let Some(hopeless) = hopeless_start(observation) {
                return event(EventStatus::Failed, hopeless.to_string());
            }
            late(terms, seen, pending.stage, &pending.detail, now)
                .and_then(|reason| event(EventStatus::Timeout, reason))
        }
        PodVerdict::Running => {
            if silence_ends(seen).is_some_and(|end| end <= now) {
                return event(
                    EventStatus::Error,
                    "the pod's node has stopped reporting: it is taken to be lost".to_owned(),
                );
            }
            let due = log_moment(terms, observation)?;
            if due > now {
                return None;
            }
            event(
                EventStatus::Running,
                "time to fetch the newest logs".to_owned(),
            )
        }
    }
}

/// Why the pod is late, if it is.
fn late(
    terms: &PodTerms,
    seen: FirstSeen,
    stage: StartStage,
    detail: &str,
    now: Timestamp,
) -> Option<String> {
    match stage {
        StartStage::Scheduling if terms.schedule_by <= now => Some(format!(
            "no node took the pod within schedule_timeout_seconds ({} s): {detail}",
            terms.schedule_timeout_seconds
        )),
        StartStage::Initializing | StartStage::Starting if start_by(terms, seen) <= now => {
            Some(format!(
                "container {} was not started within startup_timeout_seconds ({} s): {detail}",
                terms.base_container, terms.startup_timeout_seconds
            ))
        }
        StartStage::Scheduling | StartStage::Initializing | StartStage::Starting => None,
    }
}

fn seconds(number: f64) -> TimeDelta {
    TimeDelta::from_std(Duration::try_from_secs_f64(number).unwrap_or_default())
        .unwrap_or(TimeDelta::MAX)
}

fn after(moment: Timestamp, delay: TimeDelta) -> Timestamp {
    moment
        .checked_add_signed(delay)
        .unwrap_or(Timestamp::MAX_UTC)
}

/// When the base container must have been started: its time counts from when a node was chosen,
/// and a node must have been chosen in time.
fn start_by(terms: &PodTerms, seen: FirstSeen) -> Timestamp {
    let from = seen.scheduled.map_or(terms.schedule_by, |scheduled| {
        scheduled.min(terms.schedule_by)
    });
    after(from, seconds(terms.startup_timeout_seconds))
}

fn silence_ends(seen: FirstSeen) -> Option<Timestamp> {
    seen.silent.map(|since| after(since, NODE_GRACE))
}

/// When the task is to be resumed for its newest logs: at the stored moment, but not before the
/// container has run for one interval, since nothing can be there to fetch.
fn log_moment(terms: &PodTerms, observation: &PodObservation) -> Option<Timestamp> {
    let due = terms.next_log_at?;
    let interval = seconds(terms.logging_interval_seconds.unwrap_or_default());
    let started = observation
        .app_container(&terms.base_container)
        .and_then(|container| match &container.state {
            ContainerState::Running { started_at } => *started_at,
            ContainerState::Waiting { .. }
            | ContainerState::Terminated(_)
            | ContainerState::Unreported => None,
        });
    Some(started.map_or(due, |started| due.max(after(started, interval))))
}

/// The next moment at which the same look could call for an event.
#[must_use]
pub fn next_moment(
    terms: &PodTerms,
    seen: FirstSeen,
    observation: &PodObservation,
) -> Option<Timestamp> {
    match judge(observation, &terms.base_container) {
        PodVerdict::Pending(pending) => Some(match pending.stage {
            StartStage::Scheduling => terms.schedule_by,
            StartStage::Initializing | StartStage::Starting => start_by(terms, seen),
        }),
        PodVerdict::Running => log_moment(terms, observation)
            .into_iter()
            .chain(silence_ends(seen))
            .min(),
        PodVerdict::Succeeded | PodVerdict::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests;
