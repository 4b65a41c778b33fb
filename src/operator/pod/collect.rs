//! Fetching the newest lines of the containers whose logs the task wants.

use chrono::TimeDelta;

use super::call::{Call, OwnPod};
use super::launch::{elsewhere, full, unwell};
use crate::clock::Timestamp;
use crate::operator::{Failure, TaskContext};
use crate::pod::client::ApiError;
use crate::pod::lifecycle;
use crate::pod::logs::{self, LogEnd, LogLimits, LogOpening, LogRequest, LogStep};
use crate::pod::observe::{
    ContainerKind, ContainerObservation, ContainerState, PodObservation, observe,
};
use crate::task::file::{ContainerSelection, TaskFile};
use crate::task::log::{LineKind, LogCursor, LogLine};

/// How long after a container's end its log is still sought when the cluster does not hand it
/// out.
pub const POST_TERMINATION_TIMEOUT: TimeDelta = TimeDelta::seconds(120);

/// Whose log, and what is known of it.
struct Source<'a> {
    container: &'a ContainerObservation,
    container_id: &'a str,
    /// The container has ended: its log can be read to the end.
    ended: bool,
    cursor: LogCursor,
    check_identity: bool,
    limits: LogLimits,
}

impl Call<'_> {
    /// Fetches what the task's log does not have yet and stores it, batch by batch.
    ///
    /// A cluster that does not hand a log out puts the step off. Once a container has ended for
    /// [`POST_TERMINATION_TIMEOUT`] the log gets a mark instead: lost lines must not keep a task
    /// from its verdict.
    pub async fn collect(
        &self,
        own: &OwnPod,
        seen: Option<&PodObservation>,
    ) -> Result<(), Failure> {
        self.collect_within(own, seen, LogLimits::default()).await
    }

    /// As [`Call::collect`], of a pod that runs on: no more than one read may bring. The rest
    /// comes with the next resume.
    pub async fn collect_newest(
        &self,
        own: &OwnPod,
        seen: Option<&PodObservation>,
    ) -> Result<(), Failure> {
        let limits = LogLimits {
            max_bytes: self.operator.settings.borrow().log_read_bytes,
            ..LogLimits::default()
        };
        self.collect_within(own, seen, limits).await
    }

    async fn collect_within(
        &self,
        own: &OwnPod,
        seen: Option<&PodObservation>,
        limits: LogLimits,
    ) -> Result<(), Failure> {
        let fresh;
        let observation = match seen {
            Some(seen) => seen,
            None => {
                let found = lifecycle::get_same(&own.client, &own.identity)
                    .await
                    .map_err(|error| unwell(&error))?;
                let Some(pod) = found else { return Ok(()) };
                fresh = observe(&pod);
                &fresh
            }
        };
        for container in wanted(&self.file, observation) {
            if self.context.journal.log_is_full() {
                return Ok(());
            }
            let Some(container_id) = container.container_id.as_deref() else {
                // It was never started: there is no log.
                continue;
            };
            let uid = &own.identity.uid;
            let journal = &self.context.journal;
            let cursor = journal.log_cursor(uid, &container.name).await?;
            if cursor.complete && cursor.container_id == container_id {
                continue;
            }
            let ended = observation.gone || ended_at(container).is_some();
            let source = Source {
                container,
                container_id,
                ended,
                cursor,
                check_identity: self.name_can_come_again(),
                limits,
            };
            read(&self.context, own, &source, observation.gone).await?;
        }
        Ok(())
    }
}

/// The containers whose logs the task wants, init containers first, in the pod's order.
pub(super) fn wanted<'a>(
    file: &TaskFile,
    observation: &'a PodObservation,
) -> Vec<&'a ContainerObservation> {
    let parameters = &file.pod;
    let base = ContainerSelection::One(parameters.base_container_name.clone());
    let none = ContainerSelection::All(false);
    let apps = match &parameters.container_logs {
        Some(selection) => selection,
        None if parameters.get_logs => &base,
        None => &none,
    };
    let inits = parameters.init_container_logs.as_ref().unwrap_or(&none);
    for name in named(apps).chain(named(inits)) {
        if !observation.containers.is_empty() && observation.container(name).is_none() {
            tracing::warn!(
                container = name,
                "the pod has no container of that name: no logs"
            );
        }
    }
    let selected = |container: &&ContainerObservation| {
        let selection = match container.kind {
            ContainerKind::App => apps,
            ContainerKind::Init | ContainerKind::Sidecar => inits,
        };
        match selection {
            ContainerSelection::All(all) => *all,
            ContainerSelection::One(name) => *name == container.name,
            ContainerSelection::Named(names) => names.contains(&container.name),
        }
    };
    let is_app = |container: &&ContainerObservation| match container.kind {
        ContainerKind::App => true,
        ContainerKind::Init | ContainerKind::Sidecar => false,
    };
    let (apps, inits): (Vec<_>, Vec<_>) = observation
        .containers
        .iter()
        .filter(selected)
        .partition(is_app);
    inits.into_iter().chain(apps).collect()
}

fn named(selection: &ContainerSelection) -> impl Iterator<Item = &str> {
    let names: &[String] = match selection {
        ContainerSelection::All(_) => &[],
        ContainerSelection::One(name) => std::slice::from_ref(name),
        ContainerSelection::Named(names) => names,
    };
    names.iter().map(String::as_str)
}

pub(super) fn ended_at(container: &ContainerObservation) -> Option<Option<Timestamp>> {
    match &container.state {
        ContainerState::Terminated(end) => Some(end.finished_at),
        ContainerState::Waiting { .. }
        | ContainerState::Running { .. }
        | ContainerState::Unreported => None,
    }
}

/// Reads one container's log from its cursor on.
async fn read(
    context: &TaskContext,
    own: &OwnPod,
    source: &Source<'_>,
    gone: bool,
) -> Result<(), Failure> {
    if gone {
        let words = "the pod is gone: lines behind this point, if any, are lost";
        return mark_lost(context, own, source, words).await;
    }
    let request = LogRequest {
        pod: own.identity.clone(),
        container: source.container.name.clone(),
        container_id: source.container_id.to_owned(),
        cursor: source.cursor.clone(),
        ended: source.ended,
        previous: false,
        check_identity: source.check_identity,
        limits: source.limits,
    };
    let mut reader = match logs::open(&own.client, &request).await {
        Ok(LogOpening::Reading(reader)) => reader,
        Ok(LogOpening::NotScheduled) => return Ok(()),
        Ok(LogOpening::Unavailable { message }) if source.ended => {
            let words = format!("the node does not hand out the log: {message}");
            return mark_lost(context, own, source, &words).await;
        }
        Ok(LogOpening::Unavailable { .. }) => return Ok(()),
        Ok(LogOpening::Gone) if own.client.server() != own.record.intent.server => {
            return Err(elsewhere(&own.client, &own.record.intent));
        }
        Ok(LogOpening::Gone) => {
            let words = "the pod is gone: lines behind this point, if any, are lost";
            return mark_lost(context, own, source, words).await;
        }
        Err(error) => return not_read(context, own, source, &error).await,
    };
    let mut step = reader.next().await;
    loop {
        match step {
            Ok(LogStep::Batch(batch)) => {
                let uid = &own.identity.uid;
                let name = &source.container.name;
                let journal = &context.journal;
                // The next lines are read while these are being stored.
                let (stored, next) = tokio::join!(
                    journal.append_log(uid, name, batch.lines, batch.cursor),
                    reader.next()
                );
                stored?;
                if journal.log_is_full() {
                    return Ok(());
                }
                step = next;
            }
            Ok(LogStep::End(LogEnd::NotALog { text })) if source.ended => {
                let error = format!("the node sent its own words instead of the log: {text}");
                return put_off_or_mark(context, own, source, error, None).await;
            }
            Ok(LogStep::End(_)) => return Ok(()),
            Err(error) => return not_read(context, own, source, &error).await,
        }
    }
}

/// A log that could not be read: the step is put off while there is hope.
async fn not_read(
    context: &TaskContext,
    own: &OwnPod,
    source: &Source<'_>,
    error: &ApiError,
) -> Result<(), Failure> {
    if error.retryable() {
        return put_off_or_mark(context, own, source, full(error), Some(error)).await;
    }
    if source.ended {
        let words = format!("the log cannot be read: {}", full(error));
        return mark_lost(context, own, source, &words).await;
    }
    tracing::warn!(task = %context.task, error = full(error), "a log cannot be read");
    Ok(())
}

async fn put_off_or_mark(
    context: &TaskContext,
    own: &OwnPod,
    source: &Source<'_>,
    words: String,
    error: Option<&ApiError>,
) -> Result<(), Failure> {
    let hopeless = ended_at(source.container)
        .flatten()
        .is_some_and(|ended| ended + POST_TERMINATION_TIMEOUT <= context.clock.now());
    if hopeless {
        let words = format!("the log could not be had in time: {words}");
        return mark_lost(context, own, source, &words).await;
    }
    Err(Failure::Transient {
        reason: words,
        retry_after: error.and_then(ApiError::retry_after),
    })
}

/// Says in the log itself that lines may be missing, once.
async fn mark_lost(
    context: &TaskContext,
    own: &OwnPod,
    source: &Source<'_>,
    words: &str,
) -> Result<(), Failure> {
    let cursor = LogCursor {
        container_id: source.container_id.to_owned(),
        complete: true,
        ..source.cursor.clone()
    };
    let line = LogLine {
        container: source.container.name.as_str().into(),
        stamp_ns: source.cursor.stamp_ns,
        text: words.to_owned().into(),
        kind: LineKind::Gap,
    };
    context
        .journal
        .append_log(
            &own.identity.uid,
            &source.container.name,
            vec![line],
            cursor,
        )
        .await?;
    Ok(())
}
