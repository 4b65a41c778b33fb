//! What the doctor says: the field names here are a contract (`doctor -o json`).

use serde::Serialize;

use crate::store::StoreError;
use crate::task::id::{Fence, TaskId};
use crate::task::pods::{ConnectionRef, PodIdentity};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The database file cannot be used, or SQLite finds fault with it.
    DatabaseDamaged,
    /// A newer adjourn has written the database.
    DatabaseNewer,
    /// Rows name rows that are not there.
    DanglingRows,
    /// A row cannot be understood.
    UnreadableRow,
    /// A task is held by a worker that is gone.
    StuckLease,
    /// A trigger for which no task waits.
    TriggerWithoutTask,
    /// A deferred task that nothing would wake.
    DeferredWithoutTrigger,
    /// A trigger that this program cannot watch.
    UnusableTrigger,
    /// A task of a kind that this program cannot run.
    UnknownOperator,
    /// A wish about a pod that should have come true long ago.
    OverdueDisposal,
    /// A pod of this installation that is on no record.
    PodWithoutTask,
    /// A pod that should have been deleted at its task's end and is not about to be.
    LeftoverPod,
    /// A task waits for a pod that is not there.
    PodGone,
    /// A task takes a place under `max_active_pods` although its attempt has no pod.
    CountedWithoutPod,
    /// This machine's clock and the cluster's differ.
    ClockSkew,
}

impl FindingKind {
    /// The word that is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseDamaged => "database_damaged",
            Self::DatabaseNewer => "database_newer",
            Self::DanglingRows => "dangling_rows",
            Self::UnreadableRow => "unreadable_row",
            Self::StuckLease => "stuck_lease",
            Self::TriggerWithoutTask => "trigger_without_task",
            Self::DeferredWithoutTrigger => "deferred_without_trigger",
            Self::UnusableTrigger => "unusable_trigger",
            Self::UnknownOperator => "unknown_operator",
            Self::OverdueDisposal => "overdue_disposal",
            Self::PodWithoutTask => "pod_without_task",
            Self::LeftoverPod => "leftover_pod",
            Self::PodGone => "pod_gone",
            Self::CountedWithoutPod => "counted_without_pod",
            Self::ClockSkew => "clock_skew",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The pod that it is about, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// What is wrong, in words.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// Whether `--fix` can mend it.
    pub mendable: bool,
    /// Whether it has just been mended.
    pub mended: bool,
    /// How.
    #[serde(skip)]
    pub(super) mend: Option<Mend>,
}

/// What mends a finding. Each is refused by the store or the API server when the thing has moved
/// on meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mend {
    /// Queue again what a dead worker, or one whose lease has ended, holds.
    Reclaim { owner: String, dead: bool },
    /// Remove a trigger that nobody waits for.
    DropTrigger { task: TaskId, fence: Fence },
    /// Resume a deferred task, so that it looks at its pod.
    Wake { task: TaskId, fence: Fence },
    /// No longer count a pod that is not there.
    StopCounting { task: TaskId },
    /// Delete a pod.
    DeletePod {
        connection: ConnectionRef,
        identity: PodIdentity,
    },
}

impl Finding {
    pub(super) fn new(
        kind: FindingKind,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            task: None,
            pod: None,
            what: what.into(),
            advice: advice.into(),
            mendable: false,
            mended: false,
            mend: None,
        }
    }

    pub(super) fn of_task(mut self, task: TaskId) -> Self {
        self.task = Some(task);
        self
    }

    pub(super) fn of_pod(mut self, namespace: &str, name: &str) -> Self {
        self.pod = Some(format!("{namespace}/{name}"));
        self
    }

    pub(super) fn mended_by(mut self, mend: Mend) -> Self {
        self.mendable = true;
        self.mend = Some(mend);
        self
    }

    /// The finding that a store which cannot be opened is; `None` for errors that say nothing
    /// about the database itself.
    #[must_use]
    pub fn of_store(error: &StoreError) -> Option<Self> {
        let kind = match error {
            StoreError::Damaged { .. } | StoreError::Foreign { .. } => FindingKind::DatabaseDamaged,
            StoreError::NewerSchema { .. } => FindingKind::DatabaseNewer,
            StoreError::BadRow { .. } => FindingKind::UnreadableRow,
            StoreError::Place { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::FenceLost { .. }
            | StoreError::NotFound(_)
            | StoreError::KeyTaken { .. }
            | StoreError::KeyTwice { .. }
            | StoreError::Illegal { .. }
            | StoreError::Full { .. }
            | StoreError::Busy { .. }
            | StoreError::Lost { .. }
            | StoreError::Query(_)
            | StoreError::Closed
            | StoreError::Sql { .. } => return None,
        };
        // The store's sentences say what to do behind their semicolon.
        let sentence = error.to_string();
        let (what, advice) = sentence.split_once("; ").unwrap_or((&sentence, ""));
        Some(Self::new(kind, what, advice))
    }
}

/// All that the doctor found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
    /// What is as it should be, but good to know.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong, or no longer.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.mended)
    }
}
