//! What a task does in the matrix, and how it must end.

use serde_json::{Value, json};

use crate::support::{script, with};

/// A task and its only right end.
pub struct Scenario {
    pub name: &'static str,
    /// The task's script; it writes `line 1`, `line 2` and so on.
    text: &'static str,
    /// What the task file says beside the script.
    more: fn() -> Value,
    /// Settings of the engine.
    pub settings: &'static [(&'static str, &'static str)],
    /// A kill that goes before those of the matrix, so that they meet a start after a crash.
    pub first: Option<&'static str>,
    /// What is done from outside.
    pub outside: Outside,
    pub ends: Ends,
}

/// What is done from outside while the task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Nothing,
    /// It is cancelled once its first line is stored.
    Cancel,
    /// As that, and given another attempt, all before the matrix begins. Its pod is told to go on
    /// once the second attempt has it on record.
    CancelAndRetry,
    /// It ends before the matrix begins, which is about its removal.
    Prune,
}

/// The right end.
pub struct Ends {
    /// The exit code of `adjourn run`.
    pub code: i32,
    pub state: &'static str,
    pub exit_code: Option<i64>,
    pub try_number: i64,
    pub lines: u32,
    /// How many pods there ever were.
    pub pods: usize,
    pub result: Option<&'static str>,
}

const WELL: Ends = Ends {
    code: 0,
    state: "success",
    exit_code: Some(0),
    try_number: 1,
    lines: 3,
    pods: 1,
    result: None,
};

const THREE_LINES: &str = "for i in 1 2 3; do echo line $i; sleep 0.2; done";

const PLAIN: Scenario = Scenario {
    name: "success",
    text: THREE_LINES,
    more: || json!({}),
    settings: &[],
    first: None,
    outside: Outside::Nothing,
    ends: WELL,
};

fn often() -> Value {
    json!({"logging_interval": 0.2})
}

pub const SCENARIOS: [Scenario; 12] = [
    PLAIN,
    Scenario {
        name: "failure",
        text: "echo line 1; echo line 2; exit 3",
        ends: Ends {
            code: 1,
            state: "failed",
            exit_code: Some(3),
            lines: 2,
            ..WELL
        },
        ..PLAIN
    },
    Scenario {
        name: "logging_interval",
        text: "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done",
        more: often,
        ends: Ends { lines: 5, ..WELL },
        ..PLAIN
    },
    Scenario {
        name: "xcom",
        text: "echo line 1; echo '{\"answer\": 42}' > /airflow/xcom/return.json",
        more: || json!({"do_xcom_push": true}),
        ends: Ends {
            lines: 1,
            result: Some("{\"answer\":42}"),
            ..WELL
        },
        ..PLAIN
    },
    Scenario {
        name: "retry",
        text: "echo line {{ try_number }}; test {{ try_number }} = 2",
        more: || json!({"retries": 1, "retry_delay": 0.2}),
        ends: Ends {
            try_number: 2,
            lines: 2,
            pods: 2,
            ..WELL
        },
        ..PLAIN
    },
    Scenario {
        name: "cancel",
        text: "echo line 1; sleep 600",
        more: often,
        outside: Outside::Cancel,
        ends: Ends {
            code: 1,
            state: "cancelled",
            exit_code: None,
            lines: 1,
            ..WELL
        },
        ..PLAIN
    },
    Scenario {
        name: "reattach",
        // It lives until the second attempt has it on record, however long that takes.
        text: "trap 'go=1' USR1; echo line 1; until [ \"$go\" ]; do sleep 0.1; done; echo line 2",
        more: || json!({"logging_interval": 0.2, "on_kill_action": "keep_pod"}),
        outside: Outside::CancelAndRetry,
        ends: Ends {
            try_number: 2,
            lines: 2,
            ..WELL
        },
        ..PLAIN
    },
    Scenario {
        name: "sync",
        text: "for i in 1 2 3 4 5; do echo line $i; sleep 0.3; done",
        more: || json!({"deferrable": false}),
        // Short enough for a sign of life to fall due.
        settings: &[("ADJOURN_WORKER_LEASE_SECONDS", "3")],
        ends: Ends { lines: 5, ..WELL },
        ..PLAIN
    },
    Scenario {
        name: "claim_of_a_dead_worker",
        first: Some("create.answered:1"),
        ..PLAIN
    },
    Scenario {
        name: "trigger_of_a_dead_engine",
        first: Some("step.after:1"),
        ..PLAIN
    },
    Scenario {
        name: "webhook",
        // Nobody listens there, which is the callback's trouble and not the task's.
        more: || json!({"callbacks": [{"webhook": {"url": "http://127.0.0.1:9/"}}]}),
        ..PLAIN
    },
    Scenario {
        name: "prune",
        outside: Outside::Prune,
        ..PLAIN
    },
];

impl Scenario {
    /// The task; always with the same key, so that a second `run` of it is the same task.
    pub fn task(&self, dag: &str) -> Value {
        let task = with(
            script(dag, self.name, self.text),
            json!({"run_id": "matrix", "poll_interval": 1}),
        );
        with(task, (self.more)())
    }

    /// All that the task writes.
    pub fn log(&self) -> String {
        (1..=self.ends.lines)
            .map(|number| format!("line {number}\n"))
            .collect()
    }
}
