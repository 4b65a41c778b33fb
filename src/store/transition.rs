//! The one place that decides what a change of a task's state writes: what the state machine says,
//! whole.

use super::error::{JobError, StoreError};
use super::rows::TaskRow;
use crate::clock::{self, Timestamp};
use crate::task::deferral::{TriggerEvent, TriggerSpec};
use crate::task::id::Fence;
use crate::task::outcome::Ending;
use crate::task::state::{Effect, TaskEvent, TaskState, apply};

/// An event and what belongs to it.
pub(super) struct Change<'a> {
    pub event: TaskEvent,
    /// Who holds the task afterwards (for a claim), or who acts, for the history.
    pub owner: Option<&'a str>,
    /// Why, in words for a person.
    pub reason: Option<&'a str>,
    pub exit_code: Option<i32>,
    pub advice: Option<&'a str>,
    pub trigger: Option<&'a TriggerSpec>,
    pub fired: Option<&'a TriggerEvent>,
}

impl<'a> Change<'a> {
    pub(super) fn of(event: TaskEvent) -> Self {
        Self {
            event,
            owner: None,
            reason: None,
            exit_code: None,
            advice: None,
            trigger: None,
            fired: None,
        }
    }

    pub(super) fn by(mut self, owner: &'a str) -> Self {
        self.owner = Some(owner);
        self
    }

    pub(super) fn because(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Why the task is now where it is.
    fn words(&self) -> Option<&'a str> {
        self.reason
            .or(self.fired.map(|event| event.reason.as_str()))
    }
}

/// A change that is decided and not yet written.
pub(super) struct Planned {
    /// The row as it will be.
    pub after: TaskRow,
    /// The fence that the row still has.
    pub held: Fence,
    /// What the history will say; of a lease that was renewed, nothing.
    pub remembered: Option<Remembered>,
    /// What becomes of the row that says what the task waits for.
    pub trigger: Trigger,
    /// Whether the pod of the attempt counts as active no more.
    pub pod_over: bool,
    /// What the attempt leaves behind, if it ends.
    pub ending: Option<Ending>,
}

/// A line of the history, apart from what the row tells.
pub(super) struct Remembered {
    pub event: &'static str,
    pub from: &'static str,
    pub owner: Option<String>,
    pub words: Option<String>,
}

/// What becomes of a task's trigger.
pub(super) enum Trigger {
    Unchanged,
    Gone,
    Armed { spec: TriggerSpec, owner: String },
}

/// Decides what `change` makes of `row`.
pub(super) fn plan(row: TaskRow, change: &Change<'_>, now: Timestamp) -> Result<Planned, JobError> {
    let illegal = |source| StoreError::Illegal {
        task: row.id,
        source,
    };
    let next = apply(row.state, change.event, now).map_err(illegal)?;
    let (from, held) = (row.state.as_str(), row.fence);
    let cancelled = matches!(
        row.state,
        TaskState::Running {
            cancelling: true,
            ..
        }
    );
    let remembered = (from != next.state.as_str()
        || !matches!(change.event, TaskEvent::Renew { .. }))
    .then(|| Remembered {
        event: change.event.as_str(),
        from,
        owner: change.owner.or(row.owner.as_deref()).map(str::to_owned),
        words: change.words().map(str::to_owned),
    });
    let mut after = row;
    after.state = next.state;
    after.changed_at = now;
    after.owner = match next.state {
        TaskState::Running { .. } => change.owner.map(str::to_owned).or(after.owner),
        TaskState::Queued { .. }
        | TaskState::Deferred
        | TaskState::UpForRetry { .. }
        | TaskState::Success
        | TaskState::Failed
        | TaskState::Skipped
        | TaskState::Cancelled => None,
    };
    after.postponed = match change.event {
        TaskEvent::Postpone { .. } => after.postponed + 1,
        // A claim alone is no progress: the count of postponements goes on.
        TaskEvent::Claim { .. } | TaskEvent::Renew { .. } => after.postponed,
        TaskEvent::Defer
        | TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. }
        | TaskEvent::Cancel
        | TaskEvent::RetryDue
        | TaskEvent::Retry => 0,
    };
    // A claim says nothing new about why the task is where it is; nor does a step that ends in any
    // way while somebody has asked for the end of the task.
    let says_nothing = match change.event {
        TaskEvent::Renew { .. } | TaskEvent::Claim { .. } => true,
        TaskEvent::Defer
        | TaskEvent::Postpone { .. }
        | TaskEvent::Release
        | TaskEvent::Reclaim { .. } => cancelled,
        TaskEvent::Fire
        | TaskEvent::Complete
        | TaskEvent::Skip
        | TaskEvent::Fail { .. }
        | TaskEvent::Killed
        | TaskEvent::Cancel
        | TaskEvent::RetryDue
        | TaskEvent::Retry => false,
    };
    if !says_nothing {
        after.reason = change.words().map(str::to_owned);
        after.advice = change.advice.map(str::to_owned);
    }
    if change.exit_code.is_some() {
        after.exit_code = change.exit_code;
    }
    let mut trigger = Trigger::Unchanged;
    for effect in next.effects {
        carry_out(&mut after, &mut trigger, *effect, change, now)?;
    }
    let pod_over = after.pod_live && attempt_is_over(after.state);
    after.pod_live &= !pod_over;
    Ok(Planned {
        after,
        held,
        remembered,
        trigger,
        pod_over,
        ending: None,
    })
}

/// Whether the pod of the attempt, if it has one, counts as active no more.
fn attempt_is_over(state: TaskState) -> bool {
    match state {
        TaskState::Queued { .. } | TaskState::Running { .. } | TaskState::Deferred => false,
        TaskState::UpForRetry { .. }
        | TaskState::Success
        | TaskState::Failed
        | TaskState::Skipped
        | TaskState::Cancelled => true,
    }
}

fn carry_out(
    after: &mut TaskRow,
    trigger: &mut Trigger,
    effect: Effect,
    change: &Change<'_>,
    now: Timestamp,
) -> Result<(), JobError> {
    match effect {
        Effect::RaiseFence => after.fence = after.fence.next(),
        Effect::RaiseTry => {
            after.try_number += 1;
            after.max_tries = after.max_tries.max(after.try_number);
            after.deadline = None;
        }
        Effect::BeginAttempt => {
            after.started_at = after.started_at.or(Some(now));
            // A second claim of the same attempt must not move its deadline.
            after.deadline = after.deadline.or_else(|| {
                after
                    .execution_timeout
                    .map(|timeout| clock::after(now, timeout))
            });
        }
        Effect::ArmTrigger => {
            let (Some(spec), Some(owner)) = (change.trigger, change.owner) else {
                let detail = "a deferral without a trigger or an owner".to_owned();
                return Err(StoreError::BadRow {
                    task: after.id,
                    detail,
                }
                .into());
            };
            *trigger = Trigger::Armed {
                spec: spec.clone(),
                owner: owner.to_owned(),
            };
        }
        Effect::DisarmTrigger => *trigger = Trigger::Gone,
        Effect::KeepEvent => after.event = change.fired.cloned(),
        Effect::ForgetEvent => after.event = None,
        Effect::CountResume => after.resumes += 1,
        Effect::Finish => after.finished_at = Some(now),
        Effect::Reopen => {
            after.finished_at = None;
            after.failure_kind = None;
            after.exit_code = None;
        }
    }
    Ok(())
}
