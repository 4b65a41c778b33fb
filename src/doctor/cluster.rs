//! The pods that a cluster has against those on record, and its clock against ours.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Pod;

use super::finding::{Finding, FindingKind, Mend};
use crate::clock::Clock;
use crate::pod::client::{ApiError, ClusterClient};
use crate::pod::lifecycle;
use crate::pod::observe::observe;
use crate::pod::spec::{ALREADY_CHECKED, INSTALLATION_LABEL};
use crate::store::{Checkup, PodOnRecord, Store, StoreError};
use crate::task::pods::{ConnectionRef, DisposalAction};

/// How far two clocks may be apart. `Date` counts whole seconds, and an answer takes its time.
const SKEW: TimeDelta = TimeDelta::seconds(10);

/// Why a cluster could not be looked at to the end.
pub(super) enum Unlooked {
    Api(ApiError),
    Store(StoreError),
}

impl From<ApiError> for Unlooked {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for Unlooked {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One cluster and the way to it.
pub(super) struct Cluster<'a> {
    pub store: &'a Store,
    pub clock: &'a Clock,
    pub connection: &'a ConnectionRef,
    pub client: &'a ClusterClient,
}

impl Cluster<'_> {
    /// How far the cluster's clock is from ours, if that is too far.
    pub async fn clock_skew(&self) -> Result<Option<Finding>, ApiError> {
        let before = self.clock.now();
        let Some(theirs) = self.client.server_time().await? else {
            return Ok(None);
        };
        let after = self.clock.now();
        let ahead = theirs - after;
        // Their moment was read somewhere between our two.
        let behind = before - (theirs + TimeDelta::seconds(1));
        let (apart, word) = if ahead > behind {
            (ahead, "ahead of")
        } else {
            (behind, "behind")
        };
        if apart <= SKEW {
            return Ok(None);
        }
        let what = format!(
            "the clock of {} is {} s {word} this machine's",
            self.client.server(),
            apart.num_seconds()
        );
        let advice = "set both by NTP; timeouts count by this machine's clock, and the stamps of log lines are the cluster's";
        Ok(Some(Finding::new(FindingKind::ClockSkew, what, advice)))
    }

    /// Pods that should not be there, and tasks whose pods should be.
    ///
    /// The cluster is asked before the database: a pod is on record before it is created. What
    /// the answers say against each other is asked once more.
    pub async fn pods(&self, namespaces: &BTreeSet<String>) -> Result<Vec<Finding>, Unlooked> {
        let selector = format!("{INSTALLATION_LABEL}={}", self.store.installation());
        let mut there = Vec::new();
        for namespace in namespaces {
            there.extend(lifecycle::find_by_labels(self.client, namespace, &selector).await?);
        }
        let rows = self.store.checkup().await?;
        let mut found = Vec::new();
        for pod in &there {
            if pod.metadata.deletion_timestamp.is_none() {
                found.extend(self.unwanted(pod, &rows).await?);
            }
        }
        for own in &rows.pods {
            found.extend(self.gone(own, &there).await?);
        }
        Ok(found)
    }

    async fn unwanted(&self, pod: &Pod, rows: &Checkup) -> Result<Option<Finding>, Unlooked> {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let owner = rows.pods.iter().rev().find(|own| match &own.record.uid {
            Some(known) => known == uid,
            None => own.record.intent.namespace == namespace && own.record.intent.name == name,
        });
        match owner {
            Some(own) => self.leftover(own, rows).await,
            None => Ok(without_task(self.connection, pod)),
        }
    }

    /// A pod that was to be deleted with its task's end, with nobody left who would.
    async fn leftover(
        &self,
        own: &PodOnRecord,
        rows: &Checkup,
    ) -> Result<Option<Finding>, Unlooked> {
        let Some(identity) = own.record.identity() else {
            return Ok(None);
        };
        let to_be_deleted = own.record.disposal == Some(DisposalAction::Delete);
        let about_to_be = rows.disposals.iter().any(|open| {
            let wish = &open.wish.disposal;
            wish.namespace == identity.namespace && wish.name == identity.name
        });
        if !own.is_final || !to_be_deleted || about_to_be {
            return Ok(None);
        }
        let again = lifecycle::get_same(self.client, &identity).await?;
        if again.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some()) {
            return Ok(None);
        }
        let what = format!(
            "the pod {}/{} was to be deleted when task {} ended, and is still there",
            identity.namespace, identity.name, own.task
        );
        let advice = "--fix deletes it";
        Ok(Some(
            Finding::new(FindingKind::LeftoverPod, what, advice)
                .of_task(own.task)
                .of_pod(&identity.namespace, &identity.name)
                .mended_by(Mend::DeletePod {
                    connection: self.connection.clone(),
                    identity,
                }),
        ))
    }

    /// A task that goes on waits for a pod that is not there.
    async fn gone(&self, own: &PodOnRecord, there: &[Pod]) -> Result<Option<Finding>, Unlooked> {
        let intent = &own.record.intent;
        let ours = intent.connection == *self.connection && intent.server == self.client.server();
        let Some(identity) = own
            .record
            .identity()
            .filter(|_| ours && own.is_current && !own.is_final && own.record.disposal.is_none())
        else {
            return Ok(None);
        };
        let listed = |pod: &Pod| pod.metadata.uid.as_deref() == Some(identity.uid.as_str());
        if there.iter().any(listed) || lifecycle::get_same(self.client, &identity).await?.is_some()
        {
            return Ok(None);
        }
        // It may have been deleted because the task has ended meanwhile.
        let rows = self.store.checkup().await?;
        if !rows.pods.contains(own) {
            return Ok(None);
        }
        let what = format!(
            "task {} goes on with the pod {}/{}, which is not there",
            own.task, identity.namespace, identity.name
        );
        let advice = "a running engine notices by itself and ends the attempt: start `adjourn serve` if none runs";
        Ok(Some(
            Finding::new(FindingKind::PodGone, what, advice)
                .of_task(own.task)
                .of_pod(&identity.namespace, &identity.name),
        ))
    }
}

/// A pod of this installation that is on no record. Only one that has ended can be deleted
/// without a risk: one that runs may be work that a database restored from a backup forgot.
fn without_task(connection: &ConnectionRef, pod: &Pod) -> Option<Finding> {
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    if labels.get(ALREADY_CHECKED).map(String::as_str) == Some("True") {
        // It was kept on purpose, and has outlived its task's row.
        return None;
    }
    let observation = observe(pod);
    let identity = observation.identity.clone();
    let key: Vec<&str> = ["dag_id", "task_id", "run_id"]
        .iter()
        .filter_map(|label| labels.get(*label).map(String::as_str))
        .collect();
    let what = format!(
        "the pod {}/{} ({}) is this installation's, and on no record",
        identity.namespace,
        identity.name,
        key.join("/")
    );
    let ended = observation.phase.is_final();
    let advice = if ended {
        "its logs have not been collected; when they are not needed, --fix deletes it".to_owned()
    } else {
        format!(
            "it runs: if the database was restored from a backup, submit its task again, which takes the pod up; else kubectl delete pod -n {} {}",
            identity.namespace, identity.name
        )
    };
    let finding = Finding::new(FindingKind::PodWithoutTask, what, advice)
        .of_pod(&identity.namespace, &identity.name);
    Some(if ended {
        finding.mended_by(Mend::DeletePod {
            connection: connection.clone(),
            identity,
        })
    } else {
        finding
    })
}
