//! Tasks of several kinds whose pods take no process, and the right end of each.

use serde_json::{Value, json};

use crate::support::{End, Lines, with};

/// How many lines a second each pod writes.
const LINES_PER_SECOND: usize = 2;

/// What kinds of tasks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Its log is read while it runs.
    Often,
    /// It is followed live, by a worker that holds it all the time.
    Live,
    Fails,
    SecondTry,
    /// Its pod runs until somebody cancels it.
    Cancelled,
}

/// How many tasks may be followed live, each of which holds a slot as long as its pod runs.
const LIVE: usize = 18;

const KINDS: [Kind; 8] = [
    Kind::Plain,
    Kind::Often,
    Kind::SecondTry,
    Kind::Plain,
    Kind::Fails,
    Kind::Live,
    Kind::Often,
    Kind::Cancelled,
];

/// A number of tasks, of each kind in turn; of many, the first only are followed live.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub tasks: usize,
    /// How long a pod runs, in whole seconds and a bit.
    pub seconds: usize,
}

impl Load {
    /// The tasks of a file to submit.
    pub fn tasks(&self, dag: &str) -> Vec<Value> {
        let kind = |number: usize| {
            let kind = KINDS[number % KINDS.len()];
            if kind == Kind::Live && number >= LIVE * KINDS.len() {
                Kind::Plain
            } else {
                kind
            }
        };
        let task = |number: usize| {
            let kind = kind(number);
            let name = format!("{kind:?}-{number}");
            made_up(dag, &name, kind.life(self.seconds), kind.more(self.seconds))
        };
        (0..self.tasks).map(task).collect()
    }

    /// How the task with this `task_id` must end.
    pub fn end(&self, task_id: &str) -> End {
        let (name, _) = task_id.split_once('-').unwrap();
        let kind = KINDS.into_iter().find(|kind| format!("{kind:?}") == name);
        kind.unwrap().end(self.seconds)
    }
}

/// A task whose pod has the life that the annotations tell.
pub fn made_up(dag: &str, task_id: &str, life: Value, more: Value) -> Value {
    let Value::Object(life) = life else {
        panic!("not an object: {life}")
    };
    let annotations: serde_json::Map<String, Value> = life
        .into_iter()
        .map(|(name, value)| (format!("simulate.adjourn/{name}"), value))
        .collect();
    let task = json!({
        "dag_id": dag,
        "task_id": task_id,
        "run_id": "replicas",
        "image": "busybox",
        "cmds": ["true"],
        "annotations": annotations,
        "poll_interval": 1,
        "log_events_on_startup": false,
        "termination_grace_period": 0,
    });
    with(task, more)
}

impl Kind {
    fn life(self, seconds: usize) -> Value {
        let life = json!({
            "run-time": format!("{seconds}.1s"),
            "log-lines-per-second": LINES_PER_SECOND.to_string(),
        });
        match self {
            Self::Plain | Self::Often | Self::Live => life,
            Self::Fails => with(life, json!({"exit-code": "3"})),
            Self::SecondTry => with(life, json!({"exit-code": "{{ 2 - try_number }}"})),
            Self::Cancelled => with(life, json!({"run-time": "forever"})),
        }
    }

    fn more(self, seconds: usize) -> Value {
        match self {
            Self::Plain | Self::Fails => json!({}),
            // Some looks while it runs.
            Self::Often | Self::Cancelled => json!({"logging_interval": seconds.div_ceil(4)}),
            Self::Live => json!({"deferrable": false}),
            Self::SecondTry => json!({"retries": 1, "retry_delay": 0.2}),
        }
    }

    fn end(self, seconds: usize) -> End {
        // One at the start, and those of each whole step of what it runs.
        let each_try = 0..=seconds * LINES_PER_SECOND;
        let lines: Vec<String> = each_try.map(|number| format!("line {number}")).collect();
        let once = End {
            state: "success",
            tries: 1,
            lines: Lines::These(lines.clone()),
            result: None,
        };
        match self {
            Self::Plain | Self::Often | Self::Live => once,
            Self::Fails => End {
                state: "failed",
                ..once
            },
            Self::SecondTry => End {
                tries: 2,
                lines: Lines::These([lines.clone(), lines].concat()),
                ..once
            },
            Self::Cancelled => End {
                state: "cancelled",
                lines: Lines::Counted,
                ..once
            },
        }
    }
}
