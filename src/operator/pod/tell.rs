//! Telling the task's listeners what happens.
//!
//! What is told of a pod is told once for each attempt: a mark in the journal says that it was.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, OwnPod};
use super::connection_of;
use super::reentry::look;
use crate::operator::callbacks::{
    ChangedPod, CleanupTold, ClientTold, Outcome, PodTold, ResumeTold, Told, apply_hook,
    changed_pod,
};
use crate::operator::{Failure, Step};
use crate::pod::client::ClusterClient;
use crate::pod::observe::{BaseState, PodObservation, base_state};
use crate::pod::spec::PodManifest;
use crate::task::deferral::TriggerEvent;
use crate::task::file::CallbackEvent;
use crate::task::log::LogCursor;
use crate::task::outcome::{Ending, FailureKind};

/// How long the end of an attempt that is cancelled may be told: a pod is waiting to be deleted.
const LAST_WORDS: Duration = Duration::from_secs(10);

impl Call<'_> {
    /// A step begins: the client is there, if it can be had at all.
    pub async fn tell_client(&self) {
        if !self.listeners.wants(CallbackEvent::OnSyncClientCreation) {
            return;
        }
        let connection = connection_of(&self.file);
        // A client that cannot be had is the step's own trouble, and it says so itself.
        if let Ok(client) = self.operator.client(&connection).await {
            let told = ClientTold {
                task: self.listeners.task(),
                connection,
                client,
            };
            self.listeners.tell(Told::SyncClient(Arc::new(told))).await;
        }
    }

    /// The task is about to be deferred.
    pub async fn tell_deferral(&self, own: &OwnPod) -> Result<(), Failure> {
        let told = ClientTold {
            task: self.listeners.task(),
            connection: own.record.intent.connection.clone(),
            client: own.client.clone(),
        };
        self.tell_once(own, Told::AsyncClient(Arc::new(told))).await
    }

    /// The pod is there.
    pub async fn tell_creation(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Result<(), Failure> {
        let told = self.told(own, observation);
        self.tell_once(own, Told::Creation(told)).await
    }

    /// The base container was started, if it was.
    pub async fn tell_start(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Result<(), Failure> {
        match base_state(observation, self.base()) {
            BaseState::Running | BaseState::Ended(_) | BaseState::Lost => {
                let told = self.told(own, observation);
                self.tell_once(own, Told::Starting(told)).await
            }
            BaseState::NotStarted { .. } | BaseState::NeverRan { .. } => Ok(()),
        }
    }

    /// The pod has ended and its logs are stored.
    pub async fn tell_completion(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Result<(), Failure> {
        let told = self.told(own, observation);
        self.tell_once(own, Told::Completion(told)).await
    }

    /// Nothing more is wanted of the pod.
    pub async fn tell_teardown(
        &self,
        own: &OwnPod,
        observation: &PodObservation,
    ) -> Result<(), Failure> {
        let told = self.told(own, observation);
        self.tell_once(own, Told::Teardown(told)).await
    }

    /// A deferred task goes on; its base container may have been started meanwhile.
    pub async fn tell_resumption(
        &self,
        own: &OwnPod,
        seen: Option<&PodObservation>,
        event: &TriggerEvent,
    ) -> Result<(), Failure> {
        if self.listeners.wants(CallbackEvent::OnOperatorResuming) {
            self.tell_event(own, seen, event).await?;
        }
        match seen.filter(|seen| seen.identity == own.identity) {
            Some(seen) => self.tell_start(own, seen).await,
            None => Ok(()),
        }
    }

    async fn tell_event(
        &self,
        own: &OwnPod,
        seen: Option<&PodObservation>,
        event: &TriggerEvent,
    ) -> Result<(), Failure> {
        let pod = match seen {
            Some(seen) => seen.clone(),
            None => look(own, None).await?,
        };
        let told = ResumeTold {
            pod: PodTold::clone(&self.told(own, &pod)),
            event: event.clone(),
        };
        let complaints = self.listeners.tell(Told::Resuming(Arc::new(told))).await;
        let mark = self.mark(CallbackEvent::OnOperatorResuming);
        self.note(own, &mark, complaints).await
    }

    /// The attempt is over, if the step says so. Whatever goes wrong here changes nothing of it.
    pub async fn tell_end(&self, step: &Result<Step, Failure>) {
        let (outcome, ending) = match step {
            Ok(Step::Complete(ending)) => (Outcome::Succeeded, ending),
            Ok(Step::Skip(ending)) => (Outcome::Skipped, ending),
            Err(Failure::Attempt { ending, .. }) => (Outcome::Failed, ending.as_ref()),
            Ok(Step::Defer { .. }) | Err(Failure::Transient { .. } | Failure::FenceLost) => return,
        };
        if let Err(error) = self.tell_cleanup(outcome, ending).await {
            tracing::info!(task = %self.context.task, %error, "the end could not be told");
        }
    }

    /// The attempt was ended before its time. It is over all the same if that cannot be told.
    pub async fn tell_kill(&self, ending: &Ending) {
        let told = self.tell_cleanup(Outcome::Killed, ending);
        match tokio::time::timeout(LAST_WORDS, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(task = %self.context.task, %error, "the end could not be told");
            }
            Err(_) => tracing::info!(task = %self.context.task, "the end was not told in time"),
        }
    }

    async fn tell_cleanup(&self, outcome: Outcome, ending: &Ending) -> Result<(), Failure> {
        if !self.listeners.wants(CallbackEvent::OnPodCleanup)
            && !self.listeners.wants(CallbackEvent::OnPodTeardown)
        {
            return Ok(());
        }
        let Some(own) = self.own_pod().await? else {
            return Ok(());
        };
        let last = self.last_told();
        let observation = match last.filter(|seen| seen.identity == own.identity) {
            Some(seen) => seen,
            None => look(&own, None).await?,
        };
        self.tell_teardown(&own, &observation).await?;
        let told = CleanupTold {
            pod: PodTold::clone(&self.told(&own, &observation)),
            outcome,
            reason: ending.reason.clone(),
            exit_code: ending.exit_code,
            action: ending
                .disposals
                .iter()
                .find(|disposal| disposal.uid.as_ref() == Some(&own.identity.uid))
                .map(|disposal| disposal.action),
        };
        self.tell_once(&own, Told::Cleanup(Arc::new(told))).await
    }

    fn told(&self, own: &OwnPod, observation: &PodObservation) -> Arc<PodTold> {
        self.remember(observation);
        Arc::new(PodTold {
            task: self.listeners.task(),
            pod: observation.clone(),
            client: own.client.clone(),
        })
    }

    /// Tells an event of the attempt's pod unless that was done before.
    async fn tell_once(&self, own: &OwnPod, told: Told) -> Result<(), Failure> {
        let event = told.event();
        if !self.listeners.wants(event) {
            return Ok(());
        }
        let mark = self.mark(event);
        let uid = &own.identity.uid;
        if self.listeners.told_before(&format!("{mark} {uid}"))
            || self.context.journal.log_cursor(uid, &mark).await?.complete
        {
            return Ok(());
        }
        let complaints = self.listeners.tell(told).await;
        self.note(own, &mark, complaints).await
    }

    /// No container can have this name.
    fn mark(&self, event: CallbackEvent) -> String {
        format!("(told {event}, try {})", self.context.try_number)
    }

    /// Writes down that an event was told, with what went wrong.
    async fn note(&self, own: &OwnPod, mark: &str, complaints: Vec<String>) -> Result<(), Failure> {
        let now = self.context.clock.now();
        let stamp_ns = now.timestamp_nanos_opt().unwrap_or_default();
        let lines = complaints
            .into_iter()
            .map(|complaint| (stamp_ns, complaint))
            .collect();
        let cursor = LogCursor {
            stamp_ns,
            complete: true,
            ..LogCursor::default()
        };
        self.remark(own, mark, lines, cursor).await
    }

    /// Lets the callbacks and the program's hook change a pod that is about to be sent.
    pub async fn shape(
        &self,
        mut pod: PodManifest,
        client: &ClusterClient,
    ) -> Result<PodManifest, Failure> {
        let built = pod.clone();
        if self.listeners.wants(CallbackEvent::OnPodManifestCreated) {
            self.listeners.shape(client, &mut pod).await;
        }
        let refused = |changed: ChangedPod| {
            Failure::attempt(FailureKind::CouldNotStart, false, changed.to_string())
        };
        if let Some(hook) = self.operator.registered.hook() {
            apply_hook(hook, &mut pod, self.base()).map_err(refused)?;
        }
        if pod != built {
            changed_pod(&pod).map_err(refused)?;
        }
        Ok(pod)
    }
}
