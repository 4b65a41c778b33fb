//! The one writer: commits what arrives together in one transaction.
//!
//! A caller hands in a job and awaits its reply, which comes only after the commit. Each job runs
//! in a savepoint of its own, so that one that fails takes nothing else down. A caller that goes
//! away does not take its job with it: the job is either committed or it is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{JobError, StoreError};

/// How many jobs share one commit at the most; bounds how long the first of them waits.
const GROUP: usize = 512;

/// How often the write lock is asked for before a job is told that the database is busy. Each
/// time SQLite itself waits for its busy timeout.
const LOCK_TRIES: u32 = 5;

/// Tells a caller how its job went, once it is known whether the group was committed.
type Deliver = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A caller's wish with its reply inside.
trait Job: Send {
    /// Does the work; answers whether it may be kept, and how to tell the caller.
    fn run<'c>(
        self: Box<Self>,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, (bool, Deliver)>;

    /// Tells the caller that nothing was tried.
    fn refuse(self: Box<Self>, why: StoreError);
}

struct Write<T, F> {
    work: F,
    reply: oneshot::Sender<Result<T, StoreError>>,
    path: PathBuf,
}

impl<T, F> Job for Write<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, JobError>>
        + Send
        + 'static,
{
    fn run<'c>(
        self: Box<Self>,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, (bool, Deliver)> {
        let Self { work, reply, path } = *self;
        Box::pin(async move {
            let result = work(connection).await;
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

/// A handle to the writer task.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    path: PathBuf,
}

impl Writer {
    /// Starts the writer on `connection`; it ends when the last handle is gone. `changed` is
    /// touched after each commit.
    pub(super) fn start(
        connection: SqliteConnection,
        path: PathBuf,
        changed: watch::Sender<u64>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel(4 * GROUP);
        #[allow(
            clippy::disallowed_methods,
            reason = "the task ends by itself when the last sender is gone, and must finish what \
                      it was handed even if whoever handed it in was dropped"
        )]
        let task = tokio::spawn(run(connection, queue, path.clone(), changed));
        (Self { jobs, path }, task)
    }

    /// Runs `work` inside a transaction and returns what it returned, once that is durable.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, JobError>>
            + Send
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Write {
            work,
            reply,
            path: self.path.clone(),
        };
        self.jobs
            .send(Box::new(job))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run(
    mut connection: SqliteConnection,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    path: PathBuf,
    changed: watch::Sender<u64>,
) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        commit_group(&mut connection, &mut group, &path).await;
        changed.send_modify(|count| *count += 1);
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database was not closed in good order");
    }
}

async fn commit_group(
    connection: &mut SqliteConnection,
    group: &mut Vec<Box<dyn Job>>,
    path: &Path,
) {
    if let Err(why) = begin(connection, path).await {
        for job in group.drain(..) {
            job.refuse(why.clone());
        }
        return;
    }
    let mut deliveries = Vec::with_capacity(group.len());
    // An error here means that the transaction itself is lost, and with it every job of the group.
    let mut lost: Option<StoreError> = None;
    // Each call costs as much as a small statement: the end of one job's savepoint and the
    // beginning of the next one's are one.
    let mut between = "SAVEPOINT job";
    for job in group.drain(..) {
        if lost.is_none() {
            // A query, not bare text, so that it is prepared once.
            let begun = sqlx::query(between).execute(&mut *connection).await;
            lost = begun.err().map(|error| StoreError::from_sql(path, error));
        }
        if let Some(why) = &lost {
            job.refuse(why.clone());
            continue;
        }
        let (keep, deliver) = job.run(connection).await;
        between = if keep {
            "RELEASE job; SAVEPOINT job"
        } else {
            "ROLLBACK TO job; RELEASE job; SAVEPOINT job"
        };
        deliveries.push((keep, deliver));
    }
    if lost.is_none() && deliveries.last().is_some_and(|(keep, _)| !keep) {
        let undone = connection.execute("ROLLBACK TO job").await;
        lost = undone.err().map(|error| StoreError::from_sql(path, error));
    }
    let end = if lost.is_none() { "COMMIT" } else { "ROLLBACK" };
    crate::failpoint::reach!("commit.before");
    let ended = connection
        .execute(end)
        .await
        .map_err(|error| StoreError::from_sql(path, error));
    crate::failpoint::reach!("commit.after");
    if ended.is_err() {
        // A commit that failed, on a full disk for example, leaves the transaction open.
        let _ = connection.execute("ROLLBACK").await;
    }
    let committed = match lost {
        Some(why) => Err(why),
        None => ended.map(|_| ()),
    };
    for (_, deliver) in deliveries {
        deliver(committed.clone());
    }
}

/// Takes the write lock at once: a transaction that reads first and writes later could be
/// refused half-way by another process's write.
async fn begin(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let Err(error) = connection.execute("BEGIN IMMEDIATE").await else {
            return Ok(());
        };
        let error = StoreError::from_sql(path, error);
        tries += 1;
        if !matches!(error, StoreError::Busy { .. }) || tries >= LOCK_TRIES {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(20 * u64::from(tries))).await;
    }
}
