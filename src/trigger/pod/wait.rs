//! Waiting for a pod: fed by the shared watch, woken by time.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::decide::{FirstSeen, decide, is_called_for_by_report, next_moment};
use super::kwargs::{PodTerms, PodTriggerKwargs};
use crate::clock::Clock;
use crate::pod::client::{Backoff, Connections};
use crate::pod::spec::INSTALLATION_LABEL;
use crate::pod::watch::{PodWatchHub, Subscription, WatchSettings};
use crate::task::deferral::{TriggerEvent, TriggerSpec};
use crate::trigger::{Trigger, TriggerKind, TriggerUnusable};

/// Builds pod triggers: all of them share the watches of one hub.
#[derive(Clone)]
pub struct PodTriggers {
    connections: Connections,
    hub: PodWatchHub,
}

impl PodTriggers {
    /// Pod triggers on any of `connections`, which watch the pods of one installation.
    #[must_use]
    pub fn new(connections: Connections, installation: &str) -> Self {
        let selector = format!("{INSTALLATION_LABEL}={installation}");
        Self {
            connections,
            hub: PodWatchHub::new(selector, WatchSettings::default()),
        }
    }

    /// The watches that feed the triggers.
    #[must_use]
    pub fn hub(&self) -> &PodWatchHub {
        &self.hub
    }
}

impl TriggerKind for PodTriggers {
    fn build(
        &self,
        spec: &TriggerSpec,
        clock: &Clock,
    ) -> Result<Box<dyn Trigger>, TriggerUnusable> {
        Ok(Box::new(PodTrigger {
            kwargs: PodTriggerKwargs::from_spec(spec)?,
            triggers: self.clone(),
            clock: clock.clone(),
        }))
    }
}

/// What the event carries beside what was seen, under names that no observation has: the user's
/// own `trigger_kwargs`, and how often the wait has ended in an error.
#[derive(Default)]
struct Carried {
    errors: u32,
    own: Map<String, Value>,
}

impl Carried {
    fn by(self, mut event: TriggerEvent) -> TriggerEvent {
        if self.errors > 0 {
            event.payload[ERRORS] = self.errors.into();
        }
        if !self.own.is_empty() {
            event.payload["trigger_kwargs"] = Value::Object(self.own);
        }
        event
    }
}

/// Where an event carries [`PodTriggerKwargs::errors`].
const ERRORS: &str = "errors";

/// How often in a row the wait had ended in an error before the one that this event ended.
#[must_use]
pub fn errors_before(event: &TriggerEvent) -> u32 {
    event.payload[ERRORS]
        .as_u64()
        .and_then(|errors| u32::try_from(errors).ok())
        .unwrap_or_default()
}

struct PodTrigger {
    kwargs: PodTriggerKwargs,
    triggers: PodTriggers,
    clock: Clock,
}

#[async_trait]
impl Trigger for PodTrigger {
    async fn wait(self: Box<Self>) -> TriggerEvent {
        self.wait_since().await.0
    }

    async fn wait_since(self: Box<Self>) -> (TriggerEvent, Option<Instant>) {
        // Boxed: connecting takes much room, and only for a moment.
        let mut pod = Box::pin(self.subscribe()).await;
        let (terms, carried, clock) = self.into_what_waiting_takes();
        let mut seen = FirstSeen::default();
        // The watch may be blind: the hub asks the API server itself.
        pod.verify_every(terms.poll_interval(), &clock);
        loop {
            let now = clock.now();
            let mut moment = None;
            if let Some(observation) = pod.latest() {
                seen = seen.and(&observation, now);
                if let Some(event) = decide(&terms, seen, &observation, now) {
                    let told = is_called_for_by_report(&terms, &observation);
                    let arrived = told.then(|| pod.take_arrival()).flatten();
                    let carried = carried.map(|carried| *carried).unwrap_or_default();
                    return (carried.by(event), arrived);
                }
                let due = next_moment(&terms, seen, &observation);
                let left = due.and_then(|due| (due - now).to_std().ok());
                // A hair later, so that the moment has come when it is looked at.
                moment = left.map(|left| Instant::now() + left + Duration::from_millis(1));
            }
            // A change of the pod, or of the clock, is told; nothing else could call for an event.
            match moment {
                Some(moment) => {
                    let _ = tokio::time::timeout_at(moment, pod.changed()).await;
                }
                None => {
                    pod.changed().await;
                }
            }
        }
    }
}

impl PodTrigger {
    /// Lets go of what only subscribing took: there are as many as tasks that wait.
    fn into_what_waiting_takes(self: Box<Self>) -> (PodTerms, Option<Box<Carried>>, Clock) {
        let carried = Carried {
            errors: self.kwargs.errors,
            own: self.kwargs.trigger_kwargs,
        };
        let usual = carried.errors == 0 && carried.own.is_empty();
        let carried = (!usual).then(|| Box::new(carried));
        (self.kwargs.terms, carried, self.clock)
    }

    /// Joins the watch of the pod's namespace; a connection that cannot be made yet is tried
    /// again, since it decides no task's fate.
    async fn subscribe(&self) -> Subscription {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        loop {
            match self
                .triggers
                .connections
                .client(&self.kwargs.connection)
                .await
            {
                Ok(client) => return self.triggers.hub.subscribe(&client, &self.kwargs.pod),
                Err(error) => {
                    tracing::warn!(%error, "a pod cannot be watched yet");
                    tokio::time::sleep(backoff.next(rand::random(), None)).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::observe::PodObservation;
    use crate::task::deferral::EventStatus;
    use crate::task::pods::PodIdentity;

    #[test]
    fn the_users_own_trigger_kwargs_and_the_count_of_errors_are_carried_into_the_event() {
        let seen = PodObservation::unseen(PodIdentity {
            namespace: "jobs".into(),
            name: "a".into(),
            uid: "u".into(),
        });
        let event = TriggerEvent {
            status: EventStatus::Running,
            reason: String::new(),
            at: Clock::system().now(),
            payload: serde_json::to_value(&seen).unwrap(),
        };
        let own = json!({"team": "billing"});
        assert_eq!(errors_before(&event), 0);
        let carried = Carried {
            errors: 2,
            own: own.as_object().cloned().unwrap(),
        }
        .by(event);
        assert_eq!(carried.payload["trigger_kwargs"], own);
        assert_eq!(errors_before(&carried), 2);
        let read: PodObservation = serde_json::from_value(carried.payload).unwrap();
        assert_eq!(read, seen);
    }
}
