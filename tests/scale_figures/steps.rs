//! More steps at once than the store has connections to read with.

use std::sync::Arc;
use std::time::Duration;

use adjourn::clock::{Clock, Timestamp};
use adjourn::engine::{Engine, EngineOptions, EngineSettings};
use adjourn::operator::{Failure, Operator, Operators, Refused, Step, TaskContext};
use adjourn::pod::client::Connections;
use adjourn::store::{NewTask, Store, TaskFilter};
use adjourn::task::deferral::TriggerEvent;
use adjourn::task::id::TaskKey;
use adjourn::task::outcome::Ending;
use adjourn::task::retry::RetryPolicy;
use async_trait::async_trait;

use crate::PATIENCE;

const TASKS: usize = 256;
const SLOTS: usize = 64;
/// How often each step asks the store.
const QUESTIONS: usize = 50;

/// Does nothing but ask what is on record.
struct Reader;

#[async_trait]
impl Operator for Reader {
    fn check(&self, _: &TaskKey, _: &str, _: Timestamp) -> Result<(), Refused> {
        Ok(())
    }

    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure> {
        for _ in 0..QUESTIONS {
            context.journal.pods().await?;
        }
        Ok(Step::Complete(Ending::default()))
    }

    async fn trigger_reentry(&self, _: &TaskContext, _: TriggerEvent) -> Result<Step, Failure> {
        Ok(Step::Complete(Ending::default()))
    }

    async fn on_kill(&self, _: &TaskContext) -> Result<Ending, Failure> {
        Ok(Ending::default())
    }
}

fn task(number: usize) -> NewTask {
    NewTask {
        key: TaskKey {
            dag_id: "scale".to_owned(),
            task_id: format!("task-{number}"),
            run_id: "test".to_owned(),
            map_index: -1,
        },
        operator: "reader".to_owned(),
        definition: "{}".to_owned(),
        retry: RetryPolicy::default(),
        execution_timeout: None,
    }
}

/// A look after a step must not keep the step from going on: it may hold what the look waits for.
#[tokio::test(flavor = "multi_thread")]
async fn steps_that_read_are_not_held_up_by_those_who_look_after_them() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let path = directory.path().join("adjourn.db");
    let store = Store::open(&path, clock.now()).await.unwrap();
    let tasks = (0..TASKS).map(task).collect();
    store.submit(tasks, clock.now()).await.unwrap();
    let operators = Operators::default().with("reader", Arc::new(Reader));
    let options = EngineOptions {
        settings: EngineSettings {
            slots: SLOTS,
            look: Duration::from_millis(1),
            ..EngineSettings::default()
        },
        ..EngineOptions::new(store.clone(), operators, Connections::default())
    };
    let engine = Engine::start(options).await.unwrap();
    let settled = tokio::time::timeout(PATIENCE, engine.settled()).await;
    let ended = TaskFilter {
        states: vec!["success".to_owned()],
        ..TaskFilter::default()
    };
    let ended = store.list(&ended).await.unwrap().len();
    assert_eq!(ended, TASKS, "{settled:?}");
    engine.stop().await;
}
