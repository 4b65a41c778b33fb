//! One call of the operator: the task, its definition, and the pod that it has.

use std::sync::{Arc, Mutex, PoisonError};

use crate::operator::callbacks::{HeardJournal, Listeners};
use crate::operator::{Failure, TaskContext};
use crate::pod::client::ClusterClient;
use crate::pod::observe::PodObservation;
use crate::task::file::{CallbackEvent, TaskFile};
use crate::task::log::{LineKind, LogCursor, LogLine};
use crate::task::outcome::FailureKind;
use crate::task::pods::{Disposal, DisposalAction, PodIdentity, PodRecord};

use super::PodOperator;

/// What one call of the operator works with.
pub(super) struct Call<'a> {
    pub operator: &'a PodOperator,
    pub context: TaskContext,
    pub file: TaskFile,
    /// Who is told what happens.
    pub listeners: Arc<Listeners>,
    /// The pod as the listeners were last told of it.
    last_told: Mutex<Option<PodObservation>>,
}

/// The pod of the current attempt, with the way to it.
pub(super) struct OwnPod {
    pub record: PodRecord,
    pub identity: PodIdentity,
    pub client: ClusterClient,
}

impl<'a> Call<'a> {
    /// Reads the definition that was stored at submit.
    pub fn new(operator: &'a PodOperator, context: &'a TaskContext) -> Result<Self, Failure> {
        let file: TaskFile = serde_json::from_str(&context.definition).map_err(|error| {
            let reason = format!("the stored definition cannot be understood: {error}");
            Failure::attempt(FailureKind::CouldNotStart, false, reason)
        })?;
        let listeners = Arc::new(Listeners::of(&operator.registered, &file, context));
        let mut context = context.clone();
        if listeners.wants(CallbackEvent::ProgressCallback) {
            context.journal = Arc::new(HeardJournal {
                inner: context.journal,
                listeners: listeners.clone(),
            });
        }
        Ok(Self {
            operator,
            context,
            file,
            listeners,
            last_told: Mutex::default(),
        })
    }

    pub fn remember(&self, observation: &PodObservation) {
        let mut last = self
            .last_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(observation.clone());
    }

    pub fn last_told(&self) -> Option<PodObservation> {
        let last = self
            .last_told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// Whether another pod may have the name of this task's pod one day, so that a log, which is
    /// asked for by name, has to be shown to be this pod's. A random suffix does not come again.
    pub fn name_can_come_again(&self) -> bool {
        !self.file.pod.random_name_suffix
    }

    /// The container that decides.
    pub fn base(&self) -> &str {
        &self.file.pod.base_container_name
    }

    /// The pods of this attempt, oldest first.
    pub async fn records(&self) -> Result<Vec<PodRecord>, Failure> {
        let mut records = self.context.journal.pods().await?;
        records.retain(|record| record.try_number == self.context.try_number);
        Ok(records)
    }

    /// The newest pod of this attempt, if its creation was confirmed.
    pub async fn own_pod(&self) -> Result<Option<OwnPod>, Failure> {
        let Some(record) = self.records().await?.pop() else {
            return Ok(None);
        };
        let Some(identity) = record.identity() else {
            return Ok(None);
        };
        let client = self.operator.client(&record.intent.connection).await?;
        Ok(Some(OwnPod {
            record,
            identity,
            client,
        }))
    }

    /// Adds remarks about the whole pod to the task's log, in one transaction with the cursor
    /// that covers them.
    pub async fn remark(
        &self,
        own: &OwnPod,
        about: &str,
        lines: Vec<(i64, String)>,
        cursor: LogCursor,
    ) -> Result<(), Failure> {
        let lines = lines
            .into_iter()
            .map(|(stamp_ns, text)| LogLine {
                container: "".into(),
                stamp_ns,
                text: text.into(),
                kind: LineKind::Event,
            })
            .collect();
        let uid = &own.identity.uid;
        self.context
            .journal
            .append_log(uid, about, lines, cursor)
            .await?;
        Ok(())
    }
}

/// A wish about a pod that is on record.
pub(super) fn disposal(record: &PodRecord, action: DisposalAction) -> Disposal {
    Disposal {
        connection: record.intent.connection.clone(),
        server: record.intent.server.clone(),
        namespace: record.intent.namespace.clone(),
        name: record.intent.name.clone(),
        uid: record.uid.clone(),
        nonce: record.intent.nonce.clone(),
        action,
    }
}
