//! What a pod trigger makes of a look at its pod: a pure function.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::TimeDelta;

use super::kwargs::PodTerms;
use crate::clock::Timestamp;
use crate::pod::observe::{
    ContainerState, PodObservation, PodPhase, PodVerdict, StartStage, hopeless_start, judge,
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
    /// The pod ran.
    pub running: Option<Timestamp>,
}

impl FirstSeen {
    /// Takes in another look at the pod.
    #[must_use]
    pub fn and(self, observation: &PodObservation, now: Timestamp) -> Self {
        Self {
            scheduled: self.scheduled.or(observation.scheduled.then_some(now)),
            silent: observation.node_silent.then(|| self.silent.unwrap_or(now)),
            running: self
                .running
                .or((observation.phase == PodPhase::Running).then_some(now)),
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
            let due = log_moment(terms, seen, observation)?;
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

/// Whether it is what the cluster reported, and not how late it is, that calls for an event.
#[must_use]
pub(super) fn is_called_for_by_report(terms: &PodTerms, observation: &PodObservation) -> bool {
    match judge(observation, &terms.base_container) {
        PodVerdict::Succeeded | PodVerdict::Failed(_) => true,
        PodVerdict::Pending(_) => hopeless_start(observation).is_some(),
        PodVerdict::Running => false,
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

/// When the task is to be resumed for its newest logs: at the stored moment, one interval after it
/// began to wait.
///
/// The first time it is between half an interval and a whole one after the container's start, when
/// there is something to fetch, and where in between its uid decides: a thousand tasks that began
/// in the same second do not come back in the same second, and each then keeps its own rhythm. It
/// is never later than one interval after the wait and the container have begun.
fn log_moment(
    terms: &PodTerms,
    seen: FirstSeen,
    observation: &PodObservation,
) -> Option<Timestamp> {
    let due = terms.next_log_at?;
    let interval = terms.logging_interval_seconds.unwrap_or_default();
    let started = observation
        .app_container(&terms.base_container)
        .and_then(|container| match &container.state {
            ContainerState::Running { started_at } => *started_at,
            ContainerState::Waiting { .. }
            | ContainerState::Terminated(_)
            | ContainerState::Unreported => None,
        });
    let Some(started) = started else {
        return Some(due);
    };
    // A cluster whose clock is ahead must not put the first look off.
    let started = seen.running.map_or(started, |running| started.min(running));
    let first = after(
        started,
        seconds(interval * phase(&observation.identity.uid)),
    );
    let waits_since = due
        .checked_sub_signed(seconds(interval))
        .unwrap_or(Timestamp::MIN_UTC);
    Some(if waits_since < first { first } else { due })
}

/// Where in its first interval a pod's logs are fetched: from a half to a whole, always the same
/// for one pod.
fn phase(uid: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    let spread = u32::try_from(hasher.finish() >> 32).unwrap_or_default();
    0.5 + 0.5 * f64::from(spread) / f64::from(u32::MAX)
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
        PodVerdict::Running => log_moment(terms, seen, observation)
            .into_iter()
            .chain(silence_ends(seen))
            .min(),
        PodVerdict::Succeeded | PodVerdict::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests;
