//! Changes of state that arrive together, written together: in rounds, each with one change of a
//! task at the most.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use tokio::sync::oneshot;

use super::change_set::{load, write};
use super::error::{JobError, StoreError};
use super::rows::TaskRow;
use super::sql::Connection;
use super::transaction::{Between, enter};
use super::transition::Planned;
use super::writer::Deliver;
use crate::task::id::TaskId;

type Reply = oneshot::Sender<Result<TaskRow, StoreError>>;
type Plan = Box<dyn FnOnce(TaskRow) -> Result<Planned, JobError> + Send>;

/// A change that somebody waits for.
pub(super) struct ChangeJob {
    pub task: TaskId,
    /// Decides, from the row of the task, what is to be written.
    pub plan: Plan,
    pub reply: Reply,
}

impl ChangeJob {
    pub(super) fn refuse(self, why: StoreError) {
        // A caller that went away does not need to know.
        let _ = self.reply.send(Err(why));
    }
}

/// A change that may be written, and who waits for it.
struct Ready {
    planned: Planned,
    reply: Reply,
}

/// Tells that a change was not written. It may have been refused for what an earlier change of the
/// same group made of its task, so this waits for the commit, too.
fn refused(reply: Reply, why: StoreError) -> Deliver {
    Box::new(move |committed| {
        let _ = reply.send(Err(committed.err().unwrap_or(why)));
    })
}

impl Ready {
    fn kept(self) -> Deliver {
        Box::new(move |committed| {
            let _ = self.reply.send(committed.map(|()| self.planned.after));
        })
    }
}

/// Takes from `waiting` the first change of each task; leaves the others, in their order.
fn next_round(waiting: &mut Vec<ChangeJob>) -> Vec<ChangeJob> {
    let mut tasks = HashSet::new();
    let (round, later) = (waiting.drain(..)).partition(|change| tasks.insert(change.task));
    *waiting = later;
    round
}

/// Writes `changes` in the open transaction. Those that are written, or may not be, are added to
/// `deliveries`; an error means that the transaction is lost, with all that is still in `changes`.
pub(super) async fn write_changes(
    connection: &mut Connection,
    path: &Path,
    between: &mut Between,
    changes: &mut Vec<ChangeJob>,
    deliveries: &mut Vec<Deliver>,
) -> Result<(), StoreError> {
    while !changes.is_empty() {
        let round = next_round(changes);
        let tasks: Vec<TaskId> = round.iter().map(|change| change.task).collect();
        let ready = match rows_of(connection, between, tasks).await {
            Ok(rows) => plan_each(round, rows, path, deliveries),
            Err(error) => {
                let why = error.at(path);
                round.into_iter().for_each(|job| job.refuse(why.clone()));
                return Err(why);
            }
        };
        write_round(connection, path, between, ready, deliveries).await?;
    }
    Ok(())
}

/// The rows of a round's tasks, behind a savepoint.
async fn rows_of(
    connection: &mut Connection,
    between: &mut Between,
    tasks: Vec<TaskId>,
) -> Result<HashMap<TaskId, TaskRow>, JobError> {
    enter(connection, *between, None).await?;
    *between = Between::Keep;
    let rows = load(connection, tasks).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn plan_each(
    round: Vec<ChangeJob>,
    mut rows: HashMap<TaskId, TaskRow>,
    path: &Path,
    deliveries: &mut Vec<Deliver>,
) -> Vec<Ready> {
    let mut ready = Vec::with_capacity(round.len());
    for ChangeJob { task, plan, reply } in round {
        let row = rows.remove(&task);
        let planned = row
            .ok_or_else(|| StoreError::NotFound(task.to_string()).into())
            .and_then(plan);
        match planned {
            Ok(planned) => ready.push(Ready { planned, reply }),
            Err(error) => deliveries.push(refused(reply, error.at(path))),
        }
    }
    ready
}

async fn write_round(
    connection: &mut Connection,
    path: &Path,
    between: &mut Between,
    ready: Vec<Ready>,
    deliveries: &mut Vec<Deliver>,
) -> Result<(), StoreError> {
    let (planned, replies): (Vec<_>, Vec<_>) = ready
        .into_iter()
        .map(|one| (one.planned, one.reply))
        .unzip();
    let written = write(connection, &planned).await;
    let mut ready = planned
        .into_iter()
        .zip(replies)
        .map(|(planned, reply)| Ready { planned, reply });
    let Err(error) = written else {
        deliveries.extend(ready.map(Ready::kept));
        return Ok(());
    };
    // One of them cannot be written. It must not take the others down: each is tried alone.
    *between = Between::Undo;
    if ready.len() == 1 {
        if let Some(one) = ready.next() {
            deliveries.push(refused(one.reply, error.at(path)));
        }
        return Ok(());
    }
    while let Some(one) = ready.next() {
        if let Err(error) = enter(connection, *between, None).await {
            let why = StoreError::from_sql(path, error);
            for one in std::iter::once(one).chain(ready) {
                let _ = one.reply.send(Err(why.clone()));
            }
            return Err(why);
        }
        match write(connection, std::slice::from_ref(&one.planned)).await {
            Ok(()) => {
                *between = Between::Keep;
                deliveries.push(one.kept());
            }
            Err(error) => {
                *between = Between::Undo;
                deliveries.push(refused(one.reply, error.at(path)));
            }
        }
    }
    Ok(())
}
