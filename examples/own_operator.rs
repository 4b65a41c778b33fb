//! A kind of task that is no pod: a reminder, which waits for its moment without holding a worker
//! and then wants somebody to knock.
//!
//!     cargo run --example own_operator
//!
//! The operator is a small state machine: `execute` defers on a moment, `trigger_reentry` defers on
//! a trigger of the program's own, and then ends. Both waits survive a restart: all that they are
//! built from is stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adjourn::clock::{Clock, Timestamp};
use adjourn::engine::{Engine, EngineOptions};
use adjourn::operator::{Failure, Operator, Operators, Refused, Step, TaskContext};
use adjourn::pod::client::Connections;
use adjourn::service::{Service, TaskDetail};
use adjourn::store::{NewTask, Store};
use adjourn::task::deferral::{EventStatus, TriggerEvent, TriggerSpec};
use adjourn::task::id::TaskKey;
use adjourn::task::outcome::{Ending, FailureKind};
use adjourn::task::retry::RetryPolicy;
use adjourn::trigger::time::{self, TimeTriggerKwargs};
use adjourn::trigger::{Trigger, TriggerKind, TriggerUnusable};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The kind of the operator.
const REMINDER: &str = "reminder";

/// The kind of the trigger.
const KNOCK: &str = "knock";

/// What is stored of a reminder.
#[derive(Serialize, Deserialize)]
struct Definition {
    text: String,
    delay_seconds: f64,
    door: PathBuf,
}

/// Reminds of something after a while, once somebody has knocked: made the file `door`.
struct Reminder;

#[async_trait]
impl Operator for Reminder {
    fn check(&self, _key: &TaskKey, definition: &str, _now: Timestamp) -> Result<(), Refused> {
        let refused = |words: String| Refused(vec![words]);
        let read: Definition =
            serde_json::from_str(definition).map_err(|error| refused(error.to_string()))?;
        match Duration::try_from_secs_f64(read.delay_seconds) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(format!("delay_seconds: {error}"))),
        }
    }

    async fn execute(&self, context: &TaskContext) -> Result<Step, Failure> {
        let definition = read(context)?;
        let delay = Duration::try_from_secs_f64(definition.delay_seconds).unwrap_or_default();
        // Counted from the submission: an attempt that begins again does not begin the wait again.
        let moment = TimeTriggerKwargs::after(context.submitted_at, delay);
        Ok(Step::Defer {
            trigger: moment.to_spec(),
            reason: format!("waits until {}", moment.at),
        })
    }

    async fn trigger_reentry(
        &self,
        context: &TaskContext,
        event: TriggerEvent,
    ) -> Result<Step, Failure> {
        let definition = read(context)?;
        match event.status {
            EventStatus::Success if event.payload[KNOCK].is_null() => Ok(Step::Defer {
                trigger: knock(&definition.door),
                reason: format!("waits for a knock at {}", definition.door.display()),
            }),
            EventStatus::Success => Ok(Step::Complete(Ending {
                reason: "reminded".to_owned(),
                result: Some(json!({"text": definition.text, "knock": event.payload[KNOCK]})),
                ..Ending::default()
            })),
            EventStatus::Timeout => {
                Err(Failure::attempt(FailureKind::TimedOut, true, event.reason))
            }
            EventStatus::Failed | EventStatus::Error | EventStatus::Running => {
                Err(Failure::attempt(FailureKind::Failed, true, event.reason))
            }
        }
    }

    async fn on_kill(&self, _context: &TaskContext) -> Result<Ending, Failure> {
        // Nothing was begun that would go on.
        Ok(Ending::default())
    }
}

fn read(context: &TaskContext) -> Result<Definition, Failure> {
    serde_json::from_str(&context.definition)
        .map_err(|error| Failure::attempt(FailureKind::CouldNotStart, false, error.to_string()))
}

/// Waits until there is a file.
struct Knock {
    door: PathBuf,
    clock: Clock,
}

#[async_trait]
impl Trigger for Knock {
    async fn wait(self: Box<Self>) -> TriggerEvent {
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            look.tick().await;
            if let Ok(words) = tokio::fs::read_to_string(&self.door).await {
                return TriggerEvent {
                    status: EventStatus::Success,
                    reason: "somebody knocked".to_owned(),
                    at: self.clock.now(),
                    payload: json!({ KNOCK: words }),
                };
            }
        }
    }
}

/// Builds [`Knock`]s from what was stored.
struct Knocks;

impl TriggerKind for Knocks {
    fn build(
        &self,
        spec: &TriggerSpec,
        clock: &Clock,
    ) -> Result<Box<dyn Trigger>, TriggerUnusable> {
        let Some(door) = spec.kwargs["door"].as_str() else {
            return Err(TriggerUnusable::BadKwargs {
                kind: KNOCK.to_owned(),
                detail: "it names no door".to_owned(),
            });
        };
        Ok(Box::new(Knock {
            door: door.into(),
            clock: clock.clone(),
        }))
    }
}

fn knock(door: &Path) -> TriggerSpec {
    TriggerSpec {
        kind: KNOCK.to_owned(),
        version: 1,
        kwargs: json!({ "door": door }),
        next_log_at: None,
    }
}

/// A reminder that is to be stored.
pub fn reminder(task_id: &str, text: &str, delay: Duration, door: &Path) -> NewTask {
    NewTask {
        key: TaskKey {
            dag_id: "reminders".to_owned(),
            task_id: task_id.to_owned(),
            run_id: "today".to_owned(),
            map_index: -1,
        },
        operator: REMINDER.to_owned(),
        definition: json!(Definition {
            text: text.to_owned(),
            delay_seconds: delay.as_secs_f64(),
            door: door.to_owned(),
        })
        .to_string(),
        retry: RetryPolicy::default(),
        execution_timeout: None,
    }
}

/// The operators of this program.
pub fn operators() -> Operators {
    Operators::default().with(REMINDER, Arc::new(Reminder))
}

/// An engine that knows the program's own kinds beside those that Adjourn brings along.
pub fn options(store: Store) -> EngineOptions {
    let usual = EngineOptions::new(store, operators(), Connections::default());
    EngineOptions {
        triggers: usual.triggers.clone().with(KNOCK, Arc::new(Knocks)),
        ..usual
    }
}

/// Runs a reminder to its end; the database is in `directory`.
pub async fn remind(directory: &Path) -> anyhow::Result<TaskDetail> {
    let clock = Clock::system();
    let store = Store::open(&directory.join("adjourn.db"), clock.now()).await?;
    let service = Service::new(store.clone(), operators(), clock);
    let door = directory.join("door");
    let task = reminder("tea", "the tea is ready", Duration::from_secs(1), &door);
    let submitted = service.submit_definitions(vec![task]).await?;

    let engine = Engine::start(options(store)).await?;
    tokio::fs::write(&door, "knock, knock").await?;
    engine.settled().await?;
    engine.stop().await;
    Ok(service.describe(submitted[0].id).await?)
}

#[cfg_attr(test, allow(dead_code, reason = "the tests call what it calls"))]
fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let done = runtime.block_on(remind(directory.path()))?;
    println!(
        "first it waited for a {} trigger, then for a {KNOCK}:",
        time::KIND
    );
    for change in &done.history {
        println!(
            "  {} {}",
            change.to_state,
            change.reason.as_deref().unwrap_or_default()
        );
    }
    println!("{}", done.xcom["return_value"]["text"]);
    Ok(())
}
