//! The phases of the pods that this process's own engine watches.

use crate::pod::observe::PodPhase;
use crate::pod::watch::PodWatchHub;
use crate::service::Service;
use crate::task::id::TaskId;

/// Where phases are looked up. Of pods that a daemon watches nothing is known here.
pub(super) struct Phases {
    pub(super) service: Service,
    pub(super) hub: PodWatchHub,
}

impl Phases {
    /// The phase of a task's newest pod, as far as the watch has told.
    pub(super) async fn of(&self, task: TaskId) -> Option<PodPhase> {
        let pods = self.service.store().pods(task).await.ok()?;
        let uid = pods.last()?.uid.as_ref()?;
        Some(self.hub.latest(uid)?.phase)
    }
}
