//! How many durable changes of tasks' states the store makes, beside a bare SQLite loop that
//! writes the same rows in groups of the same size.

use std::path::Path;
use std::time::{Duration, Instant};

use adjourn::clock::Clock;
use adjourn::store::{NewTask, Scope, StepCommit, Store};
use adjourn::task::deferral::{EventStatus, TriggerEvent, TriggerSpec};
use adjourn::task::id::{Fence, TaskId, TaskKey};
use adjourn::task::outcome::Ending;
use adjourn::task::pods::{ConnectionOverrides, ConnectionRef, PodIdentity};
use adjourn::task::retry::RetryPolicy;
use adjourn::trigger::pod::{PodTerms, PodTriggerKwargs};
use futures::future::join_all;
use rusqlite::{Connection, Statement};
use tempfile::TempDir;

/// How many tasks are under way at once, and so how many changes can share a commit.
pub const GROUP: usize = 256;
/// How often a group of tasks goes through its life.
const ROUNDS: usize = 40;
/// Claim, defer, fire, claim, complete.
const CHANGES: usize = 5;
const REASON: &str = "waits for the pod default/report-7c9e6679";

pub struct Durable {
    /// Changes a second.
    pub store: f64,
    pub raw: f64,
}

pub async fn measure() -> Durable {
    eprintln!("durable changes of state");
    let temp = tempfile::tempdir().unwrap();
    // In turns, so that a disk that changes its pace changes it for both.
    let (mut store, mut raw) = (Duration::ZERO, Duration::ZERO);
    let by_store = StoreSide::open(&temp.path().join("store.db")).await;
    let by_hand = prepare_raw(&temp.path().join("raw.db")).await;
    for round in 0..ROUNDS {
        let begun = Instant::now();
        by_store.round().await;
        store += begun.elapsed();
        let begun = Instant::now();
        raw_round(&by_hand, round);
        raw += begun.elapsed();
    }
    let changes = (ROUNDS * GROUP * CHANGES) as f64;
    Durable {
        store: changes / store.as_secs_f64(),
        raw: changes / raw.as_secs_f64(),
    }
}

struct StoreSide {
    store: Store,
    clock: Clock,
    trigger: TriggerSpec,
}

impl StoreSide {
    async fn open(path: &Path) -> Self {
        let clock = Clock::system();
        let store = Store::open(path, clock.now()).await.unwrap();
        let tasks = (0..ROUNDS * GROUP).map(|number| new_task(&format!("task-{number}")));
        store.submit(tasks.collect(), clock.now()).await.unwrap();
        Self {
            store,
            trigger: trigger(&clock),
            clock,
        }
    }

    async fn round(&self) {
        let claimed = self.claim().await;
        let each = claimed.iter().map(async |(task, fence)| {
            let step = StepCommit::Defer {
                trigger: self.trigger.clone(),
                reason: REASON.to_owned(),
            };
            let now = self.clock.now();
            let row = self.store.commit_step(*task, *fence, "bench", step, now);
            (*task, row.await.unwrap().fence)
        });
        let deferred = join_all(each).await;
        let event = event(&self.clock);
        let each = deferred.iter().map(async |(task, fence)| {
            let now = self.clock.now();
            let fired = self.store.fire(*task, *fence, event.clone(), now);
            fired.await.unwrap();
        });
        join_all(each).await;
        let claimed = self.claim().await;
        let each = claimed.iter().map(async |(task, fence)| {
            let step = StepCommit::Complete(Ending {
                reason: "container base ended with exit code 0".to_owned(),
                exit_code: Some(0),
                ..Ending::default()
            });
            let now = self.clock.now();
            let row = self.store.commit_step(*task, *fence, "bench", step, now);
            row.await.unwrap();
        });
        join_all(each).await;
    }

    async fn claim(&self) -> Vec<(TaskId, Fence)> {
        let now = self.clock.now();
        let lease = now + Duration::from_secs(30);
        let claimed = self.store.claim("bench", &Scope::All, GROUP, lease, now);
        let claimed = claimed.await.unwrap();
        assert_eq!(claimed.len(), GROUP);
        claimed
            .iter()
            .map(|claimed| (claimed.row.id, claimed.row.fence))
            .collect()
    }
}

async fn prepare_raw(path: &Path) -> Connection {
    let side = StoreSide::open(path).await;
    drop(side);
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "full")
        .unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection
}

/// The rows that one round of the store writes, written by one thread with prepared statements:
/// no reading, no checking, nobody to answer.
fn raw_round(connection: &Connection, round: usize) {
    let clock = Clock::system();
    let tasks = || (1..=GROUP).map(|number| (round * GROUP + number) as i64);
    let now = || clock.now().timestamp_millis();
    let kwargs = trigger(&clock).kwargs.to_string();
    let event = serde_json::to_string(&event(&clock)).unwrap();
    let mut update = connection
        .prepare(
            "UPDATE tasks
             SET state = ?, entry = ?, claim_rank = ?, not_before = ?, lease_until = ?,
                 cancelling = 0, owner = ?, fence = ?, try_number = 1, max_tries = 1,
                 deadline = NULL, event = ?, postponed = 0, resumes = 0, failure_kind = NULL,
                 reason = ?, advice = NULL, exit_code = ?, started_at = ?, finished_at = ?,
                 changed_at = ?
             WHERE id = ? AND fence = ?",
        )
        .unwrap();
    let mut history = connection
        .prepare(
            "INSERT INTO history
                 (task, at, event, from_state, to_state, try_number, fence, owner, reason)
             VALUES (?, ?, ?, ?, ?, 1, ?, 'bench', ?)",
        )
        .unwrap();
    let mut arm = connection
        .prepare(
            "INSERT INTO triggers
                 (task, fence, kind, version, kwargs, owner, deferred_at, next_log_at, deadline)
             VALUES (?, 1, 'pod', 1, ?, 'bench', ?, NULL, NULL)",
        )
        .unwrap();
    let mut disarm = connection
        .prepare("DELETE FROM triggers WHERE task = ?")
        .unwrap();
    let group = |work: &mut dyn FnMut(i64)| {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        tasks().for_each(work);
        connection.execute_batch("COMMIT").unwrap();
    };
    let none: Option<i64> = None;
    let running =
        |update: &mut Statement<'_>, task: i64, fence: i64, entry: &str, event: Option<&str>| {
            let lease = now() + 30_000;
            let written = update.execute(rusqlite::params![
                "running",
                entry,
                none,
                none,
                lease,
                "bench",
                fence,
                event,
                none,
                none,
                now(),
                none,
                now(),
                task,
                fence - 1
            ]);
            assert_eq!(written.unwrap(), 1);
        };
    group(&mut |task| {
        running(&mut update, task, 1, "execute", None);
        let row = rusqlite::params![task, now(), "claim", "queued", "running", 1, none];
        history.execute(row).unwrap();
    });
    group(&mut |task| {
        arm.execute(rusqlite::params![task, kwargs, now()]).unwrap();
        let row = rusqlite::params![
            "deferred",
            none,
            none,
            none,
            none,
            none,
            1,
            none,
            REASON,
            none,
            now(),
            none,
            now(),
            task,
            1
        ];
        assert_eq!(update.execute(row).unwrap(), 1);
        let row = rusqlite::params![task, now(), "defer", "running", "deferred", 1, REASON];
        history.execute(row).unwrap();
    });
    group(&mut |task| {
        disarm.execute([task]).unwrap();
        let row = rusqlite::params![
            "queued",
            "reentry",
            1,
            now(),
            none,
            none,
            2,
            event,
            "it ended",
            none,
            now(),
            none,
            now(),
            task,
            1
        ];
        assert_eq!(update.execute(row).unwrap(), 1);
        let row = rusqlite::params![task, now(), "fire", "deferred", "queued", 2, "it ended"];
        history.execute(row).unwrap();
    });
    group(&mut |task| {
        running(&mut update, task, 3, "reentry", Some(&event));
        let row = rusqlite::params![task, now(), "claim", "queued", "running", 3, none];
        history.execute(row).unwrap();
    });
    group(&mut |task| {
        let row = rusqlite::params![
            "success",
            none,
            none,
            none,
            none,
            none,
            3,
            none,
            "it ended",
            0,
            now(),
            now(),
            now(),
            task,
            3
        ];
        assert_eq!(update.execute(row).unwrap(), 1);
        let row = rusqlite::params![task, now(), "complete", "running", "success", 3, "it ended"];
        history.execute(row).unwrap();
    });
}

/// A task as the command line stores it.
pub fn new_task(name: &str) -> NewTask {
    let definition = serde_json::json!({
        "dag_id": "scale",
        "task_id": name,
        "run_id": "bench",
        "image": "registry.example.internal/team/report:2026-11-24",
        "cmds": ["report"],
        "arguments": ["--day", "2026-11-24"],
        "annotations": {"simulate.adjourn/run-time": "1s"},
    });
    NewTask {
        key: TaskKey {
            dag_id: "scale".to_owned(),
            task_id: name.to_owned(),
            run_id: "bench".to_owned(),
            map_index: -1,
        },
        operator: "pod".to_owned(),
        definition: definition.to_string(),
        retry: RetryPolicy::default(),
        execution_timeout: None,
    }
}

fn trigger(clock: &Clock) -> TriggerSpec {
    let pod = PodIdentity {
        namespace: "default".to_owned(),
        name: "report-7c9e6679".to_owned(),
        uid: "7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned(),
    };
    PodTriggerKwargs {
        connection: ConnectionRef {
            name: "kubernetes_default".to_owned(),
            overrides: ConnectionOverrides::default(),
        },
        pod,
        terms: PodTerms {
            base_container: "base".to_owned(),
            poll_interval_seconds: 2.0,
            logging_interval_seconds: None,
            next_log_at: None,
            schedule_by: clock.now() + Duration::from_secs(120),
            schedule_timeout_seconds: 120.0,
            startup_timeout_seconds: 120.0,
        },
        trigger_kwargs: serde_json::Map::new(),
        errors: 0,
    }
    .to_spec()
}

fn event(clock: &Clock) -> TriggerEvent {
    TriggerEvent {
        status: EventStatus::Success,
        reason: "it ended".to_owned(),
        at: clock.now(),
        payload: trigger(clock).kwargs,
    }
}

/// A directory whose files are in memory, where the machine has such a place: what is measured
/// there is the work, not the disk.
pub fn tempdir_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}
