//! A task that is not deferred: the worker follows its pod from start to end.
//!
//! The same decisions as those of the trigger, taken in place: what ends the wait is an event,
//! and the same code makes a verdict of it. The worker may die here, too: the attempt begins
//! again, takes its pod up and follows the log from where it left off.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::call::{Call, OwnPod};
use super::collect::{ended_at, wanted};
use super::reentry::look;
use crate::operator::{Failure, Step};
use crate::pod::logs::{FollowStep, LogBatch, LogFollower, LogLimits, LogRequest};
use crate::pod::observe::PodObservation;
use crate::trigger::pod::{FirstSeen, PodTerms, decide};

/// The shortest time between two looks at the pod.
const SHORTEST_LOOK: Duration = Duration::from_millis(200);

impl Call<'_> {
    /// Follows the pod's logs until its base container has ended.
    pub async fn execute_sync(
        &self,
        own: &OwnPod,
        mut observation: PodObservation,
    ) -> Result<Step, Failure> {
        // The log is followed: nobody needs to be woken for it.
        let awaited = PodTerms {
            next_log_at: None,
            ..self.awaited(own, &observation).terms
        };
        let mut seen = FirstSeen::default();
        let mut followed: HashMap<String, String> = HashMap::new();
        // They read on by themselves: a reader that is held still while it stands in line for a
        // request would keep the line from moving.
        let mut lines = JoinSet::new();
        let mut looks = tokio::time::interval(self.look_interval(&observation));
        loop {
            let now = self.context.clock.now();
            seen = seen.and(&observation, now);
            if let Some(event) = decide(&awaited, seen, &observation, now) {
                drop(lines);
                self.note_startup_events(own).await?;
                return self.conclude(own, observation, &event).await;
            }
            self.tell_start(own, &observation).await?;
            for follower in self.new_followers(own, &observation, &mut followed).await? {
                lines.spawn(next_batch(follower));
            }
            tokio::select! {
                _ = looks.tick() => observation = look(own, Some(observation)).await?,
                Some(read) = lines.join_next() => {
                    let (follower, batch) = read.map_err(broke)?;
                    // Without a batch the log has ended for now; the verdict reads the rest.
                    if let Some(batch) = batch {
                        self.keep(own, &follower.container, batch).await?;
                        if !self.context.journal.log_is_full() {
                            lines.spawn(next_batch(follower));
                        }
                    }
                }
            }
        }
    }

    fn look_interval(&self, observation: &PodObservation) -> Duration {
        let parameters = &self.file.pod;
        let interval = if observation.nothing_started() {
            parameters
                .startup_check_interval_seconds
                .min(parameters.base_container_status_polling_interval)
        } else {
            parameters.base_container_status_polling_interval
        };
        interval.max(SHORTEST_LOOK)
    }

    /// Followers for containers that have been started since.
    async fn new_followers(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
        followed: &mut HashMap<String, String>,
    ) -> Result<Vec<Follower>, Failure> {
        let mut fresh = Vec::new();
        if self.context.journal.log_is_full() {
            return Ok(fresh);
        }
        for container in wanted(&self.file, observation) {
            let Some(id) = container.container_id.clone() else {
                continue;
            };
            if ended_at(container).is_some()
                || followed.insert(container.name.clone(), id.clone()) == Some(id.clone())
            {
                continue;
            }
            let uid = &own.identity.uid;
            let cursor = self
                .context
                .journal
                .log_cursor(uid, &container.name)
                .await?;
            let request = LogRequest {
                pod: own.identity.clone(),
                container: container.name.clone(),
                container_id: id,
                cursor,
                ended: false,
                previous: false,
                check_identity: self.name_can_come_again(),
                limits: LogLimits::default(),
            };
            fresh.push(Follower {
                container: container.name.clone(),
                log: LogFollower::new(own.client.clone(), request),
            });
        }
        Ok(fresh)
    }

    async fn keep(&self, own: &OwnPod, container: &str, batch: LogBatch) -> Result<(), Failure> {
        let uid = &own.identity.uid;
        self.context
            .journal
            .append_log(uid, container, batch.lines, batch.cursor)
            .await?;
        Ok(())
    }
}

/// A panic is the step's own: it goes on where the step is guarded.
fn broke(error: JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Failure::transient(error.to_string()),
    }
}

struct Follower {
    container: String,
    log: LogFollower,
}

/// The follower with its next lines; with none when its log has ended or cannot be had now.
async fn next_batch(mut follower: Follower) -> (Follower, Option<LogBatch>) {
    let batch = match follower.log.next().await {
        Ok(FollowStep::Batch(batch)) => Some(batch),
        Ok(_) => None,
        Err(error) => {
            tracing::info!(%error, "a log cannot be followed; it will be read at the end");
            None
        }
    };
    (follower, batch)
}
