//! The transition table as code: pure and total, without a `_` arm.

use super::{Effect, Entry, IllegalTransition, TaskEvent, TaskState, Transition};
use crate::clock::Timestamp;

/// What `event` makes of a task in `state` at `now`.
///
/// # Errors
/// [`IllegalTransition`] when the event has no meaning in that state, or comes too early.
pub fn apply(
    state: TaskState,
    event: TaskEvent,
    now: Timestamp,
) -> Result<Transition, IllegalTransition> {
    let next = match state {
        TaskState::Queued { entry, not_before } => from_queued(entry, not_before, event, now),
        TaskState::Running {
            entry,
            lease_until,
            cancelling,
        } => from_running(entry, lease_until, cancelling, event, now),
        TaskState::Deferred => from_deferred(event, now),
        TaskState::UpForRetry { retry_at } => from_up_for_retry(retry_at, event, now),
        TaskState::Success => None,
        TaskState::Failed | TaskState::Skipped | TaskState::Cancelled => from_ended(event, now),
    };
    next.map(|(state, effects)| Transition { state, effects })
        .ok_or(IllegalTransition { state, event })
}

type Next = Option<(TaskState, &'static [Effect])>;

fn queued(entry: Entry, not_before: Timestamp) -> TaskState {
    TaskState::Queued { entry, not_before }
}

fn from_queued(entry: Entry, not_before: Timestamp, event: TaskEvent, now: Timestamp) -> Next {
    match event {
        TaskEvent::Claim { lease_until } if not_before <= now => {
            let effects: &[Effect] = match entry {
                Entry::Execute => &[Effect::RaiseFence, Effect::BeginAttempt],
                Entry::Reentry | Entry::Kill => &[Effect::RaiseFence],
            };
            let running = TaskState::Running {
                entry,
                lease_until,
                cancelling: false,
            };
            Some((running, effects))
        }
        TaskEvent::Cancel => match entry {
            Entry::Execute | Entry::Reentry => {
                Some((queued(Entry::Kill, now), &[Effect::ForgetEvent]))
            }
            Entry::Kill => Some((queued(entry, not_before), &[])),
        },
        TaskEvent::Claim { .. }
        | TaskEvent::Renew { .. }
        | TaskEvent::Defer
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Postpone { .. }
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. }
        | TaskEvent::RetryDue
        | TaskEvent::Retry => None,
    }
}

fn from_running(
    entry: Entry,
    lease_until: Timestamp,
    cancelling: bool,
    event: TaskEvent,
    now: Timestamp,
) -> Next {
    let killing = match entry {
        Entry::Kill => true,
        Entry::Execute | Entry::Reentry => false,
    };
    // Where the task waits when its worker lets go before the step is done.
    let again = if cancelling { Entry::Kill } else { entry };
    match event {
        TaskEvent::Renew { lease_until } => {
            let renewed = TaskState::Running {
                entry,
                lease_until,
                cancelling,
            };
            Some((renewed, &[]))
        }
        TaskEvent::Defer if killing => None,
        TaskEvent::Defer if cancelling => Some((queued(Entry::Kill, now), &[Effect::ForgetEvent])),
        TaskEvent::Defer => Some((
            TaskState::Deferred,
            &[Effect::ForgetEvent, Effect::ArmTrigger],
        )),
        TaskEvent::Complete if !killing => {
            Some((TaskState::Success, &[Effect::ForgetEvent, Effect::Finish]))
        }
        TaskEvent::Skip if !killing => {
            Some((TaskState::Skipped, &[Effect::ForgetEvent, Effect::Finish]))
        }
        TaskEvent::Fail { .. } if killing => None,
        TaskEvent::Fail { .. } if cancelling => {
            Some((TaskState::Cancelled, &[Effect::ForgetEvent, Effect::Finish]))
        }
        TaskEvent::Fail {
            retry_at: Some(retry_at),
        } => Some((TaskState::UpForRetry { retry_at }, &[Effect::ForgetEvent])),
        TaskEvent::Fail { retry_at: None } => {
            Some((TaskState::Failed, &[Effect::ForgetEvent, Effect::Finish]))
        }
        TaskEvent::Killed if killing || cancelling => {
            Some((TaskState::Cancelled, &[Effect::ForgetEvent, Effect::Finish]))
        }
        TaskEvent::Postpone { until } => Some((queued(again, until), &[])),
        TaskEvent::Release => Some((queued(again, now), &[])),
        TaskEvent::Reclaim { owner_dead } if owner_dead || lease_until <= now => {
            Some((queued(again, now), &[Effect::RaiseFence]))
        }
        TaskEvent::Cancel => {
            let stopping = TaskState::Running {
                entry,
                lease_until,
                cancelling: !killing,
            };
            Some((stopping, &[]))
        }
        TaskEvent::Claim { .. }
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Killed
        | TaskEvent::Reclaim { .. }
        | TaskEvent::RetryDue
        | TaskEvent::Retry => None,
    }
}

fn from_deferred(event: TaskEvent, now: Timestamp) -> Next {
    match event {
        TaskEvent::Fire => Some((
            queued(Entry::Reentry, now),
            &[
                Effect::RaiseFence,
                Effect::DisarmTrigger,
                Effect::KeepEvent,
                Effect::CountResume,
            ],
        )),
        TaskEvent::Cancel => Some((
            queued(Entry::Kill, now),
            &[Effect::RaiseFence, Effect::DisarmTrigger],
        )),
        TaskEvent::Claim { .. }
        | TaskEvent::Renew { .. }
        | TaskEvent::Defer
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Postpone { .. }
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. }
        | TaskEvent::RetryDue
        | TaskEvent::Retry => None,
    }
}

fn from_up_for_retry(retry_at: Timestamp, event: TaskEvent, now: Timestamp) -> Next {
    match event {
        TaskEvent::RetryDue if now < retry_at => None,
        TaskEvent::RetryDue | TaskEvent::Retry => {
            Some((queued(Entry::Execute, now), &[Effect::RaiseTry]))
        }
        TaskEvent::Cancel => Some((TaskState::Cancelled, &[Effect::Finish])),
        TaskEvent::Claim { .. }
        | TaskEvent::Renew { .. }
        | TaskEvent::Defer
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Postpone { .. }
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. } => None,
    }
}

fn from_ended(event: TaskEvent, now: Timestamp) -> Next {
    match event {
        TaskEvent::Retry => Some((
            queued(Entry::Execute, now),
            &[Effect::Reopen, Effect::RaiseTry],
        )),
        TaskEvent::Claim { .. }
        | TaskEvent::Renew { .. }
        | TaskEvent::Defer
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Postpone { .. }
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. }
        | TaskEvent::Cancel
        | TaskEvent::RetryDue => None,
    }
}
