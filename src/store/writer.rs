//! The one writer: commits what arrives together in one transaction.
//!
//! A caller hands in a change or a job and awaits its reply, which comes only after the commit.
//! Changes of state are written together, in rounds. Each job runs in a savepoint of its own, so
//! that one that fails takes nothing else down. A caller that goes away takes nothing with it: what
//! it handed in is either committed or it is not.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::error::{JobError, StoreError};
use super::rounds::{ChangeJob, write_changes};
use super::rows::TaskRow;
use super::sql::{Connection, Pool, Row};
use super::transaction::{self, Between, enter};
use super::transition::Planned;
use crate::metrics::Metrics;
use crate::task::id::TaskId;

/// How many jobs share one commit at the most; bounds how long the first of them waits.
const GROUP: usize = 512;

/// How long the readers may take to close once nobody holds the store any more.
const CLOSING: Duration = Duration::from_secs(1);

/// Tells a caller how its job went, once it is known whether the group was committed.
pub(super) type Deliver = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A caller's wish with its reply inside.
trait Job: Send {
    /// The task whose row the work begins with.
    fn task(&self) -> Option<TaskId>;

    /// Does the work, with the row of its task if there is one; answers whether it may be kept,
    /// and how to tell the caller.
    fn run<'c>(
        self: Box<Self>,
        connection: &'c mut Connection,
        row: Option<Row>,
    ) -> BoxFuture<'c, (bool, Deliver)>;

    /// Tells the caller that nothing was tried.
    fn refuse(self: Box<Self>, why: StoreError);
}

struct Write<T, F> {
    task: Option<TaskId>,
    work: F,
    reply: oneshot::Sender<Result<T, StoreError>>,
    path: PathBuf,
}

impl<T, F> Job for Write<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Connection, Option<Row>) -> BoxFuture<'c, Result<T, JobError>>
        + Send
        + 'static,
{
    fn task(&self) -> Option<TaskId> {
        self.task
    }

    fn run<'c>(
        self: Box<Self>,
        connection: &'c mut Connection,
        row: Option<Row>,
    ) -> BoxFuture<'c, (bool, Deliver)> {
        let Self {
            work, reply, path, ..
        } = *self;
        Box::pin(async move {
            let result = work(connection, row).await;
            let keep = result.is_ok();
            let deliver: Deliver = Box::new(move |committed| {
                let told = result
                    .map_err(|error| error.at(&path))
                    .and_then(|value| committed.map(|()| value));
                // A caller that went away does not need to know.
                let _ = reply.send(told);
            });
            (keep, deliver)
        })
    }

    fn refuse(self: Box<Self>, why: StoreError) {
        let _ = self.reply.send(Err(why));
    }
}

/// What is handed in.
enum Wish {
    Change(ChangeJob),
    Job(Box<dyn Job>),
}

/// A handle to the writer task.
#[derive(Clone)]
pub(super) struct Writer {
    wishes: mpsc::Sender<Wish>,
    path: PathBuf,
    pub(super) metrics: Metrics,
}

impl Writer {
    /// Starts the writer on `connection`; it ends when the last handle is gone. `changed` is
    /// touched after each commit.
    ///
    /// It has a thread of its own: it waits for SQLite's thread at each call, and being woken from
    /// there costs less than it does in a pool of workers that look for work meanwhile. It also
    /// finishes what it was handed when whoever handed it in is gone.
    pub(super) fn start(
        connection: Connection,
        reader: Pool,
        path: PathBuf,
        changed: watch::Sender<u64>,
        metrics: Metrics,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (wishes, queue) = mpsc::channel(4 * GROUP);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let work = run(connection, queue, path.clone(), changed, metrics.clone());
        let work = async move {
            let connection = work.await;
            // The last one to close takes the write-ahead log into the database. A reader cannot.
            let _ = tokio::time::timeout(CLOSING, reader.close()).await;
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "the database was not closed in good order");
            }
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || runtime.block_on(work))?;
        let writer = Self {
            wishes,
            path,
            metrics,
        };
        Ok((writer, thread))
    }

    /// Runs `work` inside a transaction and returns what it returned, once that is durable.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, JobError>>
            + Send
            + 'static,
    {
        self.work(None, move |connection, _| work(connection)).await
    }

    /// Changes the state of `task` as `plan` decides from its row; answers the row as it is
    /// afterwards, once that is durable.
    pub(super) async fn change(
        &self,
        task: TaskId,
        plan: impl FnOnce(TaskRow) -> Result<Planned, JobError> + Send + 'static,
    ) -> Result<TaskRow, StoreError> {
        let (reply, answer) = oneshot::channel();
        let change = ChangeJob {
            task,
            plan: Box::new(plan),
            reply,
        };
        self.hand_in(Wish::Change(change), answer).await
    }

    /// As [`Writer::write`], for work that begins with the row of `task`: it is read in the call
    /// that begins the work, and costs none of its own.
    pub(super) async fn write_task<T, F>(&self, task: TaskId, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection, TaskRow) -> BoxFuture<'c, Result<T, JobError>>
            + Send
            + 'static,
    {
        self.work(Some(task), move |connection, row| {
            let read = row
                .ok_or_else(|| StoreError::NotFound(task.to_string()).into())
                .and_then(|row| TaskRow::read(&row));
            match read {
                Ok(row) => work(connection, row),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        })
        .await
    }

    async fn work<T, F>(&self, task: Option<TaskId>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection, Option<Row>) -> BoxFuture<'c, Result<T, JobError>>
            + Send
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Write {
            task,
            work,
            reply,
            path: self.path.clone(),
        };
        self.hand_in(Wish::Job(Box::new(job)), answer).await
    }

    async fn hand_in<T>(
        &self,
        wish: Wish,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let handed = self.wishes.send(wish).await;
        handed.map_err(|_| StoreError::Closed)?;
        let answer = answer.await.map_err(|_| StoreError::Closed)?;
        if answer.as_ref().is_err_and(StoreError::is_fence_lost) {
            self.metrics.fenced_writes.inc();
        }
        answer
    }
}

/// Commits what is handed in until nobody can hand in more; gives the connection back.
async fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Wish>,
    path: PathBuf,
    changed: watch::Sender<u64>,
    metrics: Metrics,
) -> Connection {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let begun = Instant::now();
        commit_group(&mut connection, &mut group, &path, &metrics).await;
        metrics.commits.observe(begun.elapsed().as_secs_f64());
        changed.send_modify(|count| *count += 1);
    }
    connection
}

async fn commit_group(
    connection: &mut Connection,
    group: &mut Vec<Wish>,
    path: &Path,
    metrics: &Metrics,
) {
    let (mut changes, mut jobs) = (Vec::new(), Vec::new());
    for wish in group.drain(..) {
        match wish {
            Wish::Change(change) => changes.push(change),
            Wish::Job(job) => jobs.push(job),
        }
    }
    let mut deliveries = Vec::with_capacity(changes.len() + jobs.len());
    let mut between = Between::Begin;
    // An error means that the transaction itself is lost, and with it all of the group.
    let begun = transaction::begin(connection, path, metrics).await;
    let mut lost = begun.as_ref().err().cloned();
    if begun.is_ok() {
        let written = write_changes(
            connection,
            path,
            &mut between,
            &mut changes,
            &mut deliveries,
        );
        lost = written.await.err();
    }
    for job in jobs {
        if let Some(why) = &lost {
            job.refuse(why.clone());
            continue;
        }
        let row = match enter(connection, between, job.task()).await {
            Ok(row) => row,
            Err(error) => {
                let why = StoreError::from_sql(path, error);
                job.refuse(why.clone());
                lost = Some(why);
                continue;
            }
        };
        let (keep, deliver) = job.run(connection, row).await;
        between = if keep { Between::Keep } else { Between::Undo };
        deliveries.push(deliver);
    }
    for change in changes {
        change.refuse(lost.clone().unwrap_or(StoreError::Closed));
    }
    let Ok(begun) = begun else {
        return;
    };
    if lost.is_none() && matches!(between, Between::Undo) {
        let undone = connection.run("ROLLBACK TO job").await;
        lost = undone.err().map(|error| StoreError::from_sql(path, error));
    }
    crate::failpoint::reach!("commit.before");
    let committed = match lost {
        Some(why) => {
            transaction::give_up(connection, &why).await;
            Err(why)
        }
        None => transaction::commit(connection, begun, path).await,
    };
    crate::failpoint::reach!("commit.after");
    for deliver in deliveries {
        deliver(committed.clone());
    }
}
