//! What the rows of the database say by themselves. Pure.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use super::finding::{Finding, FindingKind, Mend};
use crate::clock::{Clock, Timestamp};
use crate::store::{Checkup, OpenDisposal, StoreError, StoredTrigger, TaskRow};
use crate::task::id::TaskId;
use crate::task::state::TaskState;
use crate::trigger::Triggers;

/// How long after the end of a lease a live engine may take to notice.
const NOTICED_BY: TimeDelta = TimeDelta::seconds(10);

/// How long a wish about a pod may take before somebody should look. A pod's own grace does not
/// count: the wish holds once the API server has taken it.
const WISH_BY: TimeDelta = TimeDelta::minutes(2);

/// What the judge must know besides the rows.
pub(super) struct Known<'a> {
    /// The kinds of tasks that can be run.
    pub operators: HashSet<&'a str>,
    /// The kinds of triggers that can be watched.
    pub triggers: &'a Triggers,
    /// The owners that are provably dead.
    pub dead: HashSet<String>,
    pub clock: &'a Clock,
    pub now: Timestamp,
}

/// Everything that is wrong with `rows`.
pub(super) fn judge(rows: &Checkup, known: &Known<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut deferred: HashMap<TaskId, &TaskRow> = HashMap::new();
    for task in &rows.unfinished {
        match task {
            Ok(row) => {
                found.extend(lease(row, known));
                found.extend(operator(row, known));
                if row.state == TaskState::Deferred {
                    deferred.insert(row.id, row);
                }
            }
            Err(error) => found.extend(unreadable(error)),
        }
    }
    for trigger in &rows.triggers {
        match trigger {
            Ok(trigger) => {
                // What stays in the map has no trigger of its own.
                let waiting = deferred.get(&trigger.task).copied();
                match waiting.filter(|row| row.fence == trigger.fence) {
                    Some(row) => {
                        deferred.remove(&row.id);
                        found.extend(unusable(trigger, known));
                    }
                    None => found.push(stray(trigger)),
                }
            }
            Err(error) => {
                if let StoreError::BadRow { task, .. } = error {
                    deferred.remove(task);
                }
                found.extend(unreadable(error));
            }
        }
    }
    let mut forgotten: Vec<&TaskRow> = deferred.into_values().collect();
    forgotten.sort_by_key(|row| row.id);
    found.extend(forgotten.into_iter().map(unwatched));
    let overdue = rows.disposals.iter();
    found.extend(overdue.filter_map(|open| disposal(open, known.now)));
    found.extend(rows.wrongly_active.iter().map(|task| counted(*task)));
    found
}

fn counted(task: TaskId) -> Finding {
    Finding::new(
        FindingKind::CountedWithoutPod,
        "it counts as having an active pod, and its attempt has none: it takes a place under max_active_pods",
        "adjourn doctor --fix gives the place back",
    )
    .of_task(task)
    .mended_by(Mend::StopCounting { task })
}

fn unreadable(error: &StoreError) -> Option<Finding> {
    let mut finding = Finding::of_store(error)?;
    if let StoreError::BadRow { task, .. } = error {
        finding.task = Some(*task);
    }
    "another program has changed the database, or a newer adjourn wrote the row: `adjourn sql` shows it"
        .clone_into(&mut finding.advice);
    Some(finding)
}

fn lease(row: &TaskRow, known: &Known<'_>) -> Option<Finding> {
    let TaskState::Running { lease_until, .. } = row.state else {
        return None;
    };
    let owner = row.owner.clone().unwrap_or_default();
    let dead = known.dead.contains(&owner);
    let what = if dead {
        format!("task {} is held by a worker that is dead ({owner})", row.id)
    } else if lease_until + NOTICED_BY <= known.now {
        format!(
            "the lease on task {} ended at {lease_until}, and no engine has taken it over from {owner}",
            row.id
        )
    } else {
        return None;
    };
    let advice = "start `adjourn serve`, which takes it over, or queue it again with --fix";
    Some(
        Finding::new(FindingKind::StuckLease, what, advice)
            .of_task(row.id)
            .mended_by(Mend::Reclaim { owner, dead }),
    )
}

fn operator(row: &TaskRow, known: &Known<'_>) -> Option<Finding> {
    if known.operators.contains(row.operator.as_str()) {
        return None;
    }
    let what = format!(
        "task {} is of kind {:?}, which this adjourn cannot run",
        row.id, row.operator
    );
    let advice = format!(
        "run an engine that registers that kind on this database, or end the task: adjourn cancel {}",
        row.id
    );
    Some(Finding::new(FindingKind::UnknownOperator, what, advice).of_task(row.id))
}

fn unusable(trigger: &StoredTrigger, known: &Known<'_>) -> Option<Finding> {
    let error = known
        .triggers
        .build(&trigger.spec, known.clock)
        .err()?
        .to_string();
    let what = format!("task {} waits for {error}", trigger.task);
    let advice = format!(
        "run the engine that wrote it on this database, or end the task: adjourn cancel {}",
        trigger.task
    );
    Some(Finding::new(FindingKind::UnusableTrigger, what, advice).of_task(trigger.task))
}

fn stray(trigger: &StoredTrigger) -> Finding {
    let what = format!(
        "a trigger of kind {:?} is stored for task {}, which does not wait for it",
        trigger.spec.kind, trigger.task
    );
    let advice = "it can wake nobody; --fix removes it";
    Finding::new(FindingKind::TriggerWithoutTask, what, advice)
        .of_task(trigger.task)
        .mended_by(Mend::DropTrigger {
            task: trigger.task,
            fence: trigger.fence,
        })
}

fn unwatched(row: &TaskRow) -> Finding {
    let what = format!("task {} is deferred, but nothing would wake it", row.id);
    let advice = "--fix resumes it, so that it looks at its pod and goes on";
    Finding::new(FindingKind::DeferredWithoutTrigger, what, advice)
        .of_task(row.id)
        .mended_by(Mend::Wake {
            task: row.id,
            fence: row.fence,
        })
}

fn disposal(open: &OpenDisposal, now: Timestamp) -> Option<Finding> {
    if open.wanted_at + WISH_BY > now {
        return None;
    }
    let wish = &open.wish.disposal;
    let tried = match (&open.last_error, open.wish.attempts) {
        (Some(error), attempts) => format!("tried {attempts} times, the last time: {error}"),
        (None, _) => "not tried yet".to_owned(),
    };
    let what = format!(
        "the pod {}/{} of task {} should have been dealt with ({}) since {}: {tried}",
        wish.namespace,
        wish.name,
        open.wish.task,
        wish.action.as_str(),
        open.wanted_at
    );
    let advice = format!(
        "start `adjourn serve` with a connection {} that leads to {}",
        wish.connection.name, wish.server
    );
    Some(
        Finding::new(FindingKind::OverdueDisposal, what, advice)
            .of_task(open.wish.task)
            .of_pod(&wish.namespace, &wish.name),
    )
}
