//! Spans of what happens to a task: its steps, and the firing of its trigger.
//!
//! Spans have a target of their own, at the lowest level: the log does not show them unless asked to,
//! and where nobody collects traces they cost a look at a flag. With the feature `otel` all spans of one task
//! are one trace, also over restarts: its id is made from the task, so nothing has to be kept for it.

use tracing::Span;
use tracing::field::Empty;

use super::running::Shared;
use crate::store::{StepCommit, TaskRow};
use crate::task::deferral::TriggerEvent;
use crate::task::id::TaskId;
use crate::task::state::Entry;

/// A step that a worker does.
pub(super) fn step(shared: &Shared, row: &TaskRow, entry: Entry) -> Span {
    let name = match entry {
        Entry::Execute => "execute",
        Entry::Reentry => "trigger_reentry",
        Entry::Kill => "on_kill",
    };
    let event = row.event.as_ref().map(|event| event.status.as_str());
    let span = tracing::trace_span!(
        target: "adjourn::span",
        parent: None,
        "step",
        otel.name = name,
        otel.status_code = Empty,
        task.id = row.id.0,
        task.kind = row.operator,
        task.try_number = row.try_number,
        task.event = event,
        task.outcome = Empty,
        dag_id = row.key.dag_id,
        task_id = row.key.task_id,
        run_id = row.key.run_id,
        map_index = row.key.map_index,
    );
    belongs_to(&span, shared, row.id);
    span
}

/// How a step came out.
pub(super) fn came_out(span: &Span, step: Option<&StepCommit>) {
    let outcome = match step {
        Some(StepCommit::Defer { .. }) => "deferred",
        Some(StepCommit::Complete(_)) => "success",
        Some(StepCommit::Skip(_)) => "skipped",
        Some(StepCommit::Fail { .. }) => "failed",
        Some(StepCommit::Killed(_)) => "cancelled",
        Some(StepCommit::Postpone { .. }) => "put_off",
        Some(StepCommit::Release { .. }) => "let_go",
        None => "lost",
    };
    span.record("task.outcome", outcome);
    if let Some(StepCommit::Fail { .. }) = step {
        span.record("otel.status_code", "ERROR");
    }
}

/// The writing of how a step came out, as a part of the step.
pub(super) fn commit(step: &Span) -> Span {
    tracing::trace_span!(target: "adjourn::span", parent: step, "commit")
}

/// The storing of an event, for a task that waits.
pub(super) fn fire(shared: &Shared, task: TaskId, event: &TriggerEvent) -> Span {
    let span = tracing::trace_span!(
        target: "adjourn::span",
        parent: None,
        "fire",
        task.id = task.0,
        task.event = event.status.as_str(),
        task.reason = event.reason,
    );
    belongs_to(&span, shared, task);
    span
}

#[cfg(not(feature = "otel"))]
fn belongs_to(_: &Span, _: &Shared, _: TaskId) {}

/// Makes the span a part of the task's trace.
#[cfg(feature = "otel")]
fn belongs_to(span: &Span, shared: &Shared, task: TaskId) {
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
    };
    use sha2::{Digest, Sha256};
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    if span.is_disabled() {
        return;
    }
    let name = format!("{}/{}", shared.store.installation(), task.0);
    let digest = Sha256::digest(name);
    let (mut trace, mut parent) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&digest[..16]);
    parent.copy_from_slice(&digest[16..24]);
    let of_task = SpanContext::new(
        TraceId::from_bytes(trace),
        SpanId::from_bytes(parent),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    let context = opentelemetry::Context::new().with_remote_span_context(of_task);
    // A span that is closed already belongs to nothing any more.
    let _ = span.set_parent(context);
}
