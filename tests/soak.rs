//! Mixed load for a long time, with faults of the API server and `kill -9` all the while.
//!
//! `cargo test --release --test soak -- --ignored --nocapture` runs for ten minutes, or as many
//! seconds as `ADJOURN_SOAK_SECONDS` says, and ends with what it came to.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use support::{Cluster, End, Home, Lines, Running, judge, script, with};

/// How many tasks may be under way at once.
const AT_ONCE: i64 = 40;

/// What kinds of tasks there are, and how each must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Plain,
    Often,
    Live,
    Fails,
    SecondTry,
    Result,
    Cancelled,
}

const KINDS: [Kind; 7] = [
    Kind::Plain,
    Kind::Often,
    Kind::Live,
    Kind::Fails,
    Kind::SecondTry,
    Kind::Result,
    Kind::Cancelled,
];

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Plain | Self::Often | Self::Live => {
                "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"
            }
            Self::Result => {
                "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done; echo 6 > /airflow/xcom/return.json"
            }
            Self::Fails => "for i in 1 2 3 4 5 6; do echo line $i; done; exit 3",
            Self::SecondTry => {
                "for i in 1 2 3; do echo line $(( i + 3 * {{ try_number }} - 3 )); done; test {{ try_number }} = 2"
            }
            Self::Cancelled => "for i in 1 2 3 4 5 6; do echo line $i; done; sleep 600",
        }
    }

    fn more(self) -> Value {
        match self {
            Self::Plain | Self::Fails => json!({}),
            Self::Often | Self::Cancelled => json!({"logging_interval": 0.5}),
            Self::Live => json!({"deferrable": false}),
            Self::SecondTry => json!({"retries": 1, "retry_delay": 1}),
            Self::Result => json!({"do_xcom_push": true}),
        }
    }

    fn task(self, dag: &str, number: usize) -> Value {
        let task = with(
            script(dag, &format!("{self:?}-{number}"), self.text()),
            json!({"run_id": "soak", "poll_interval": 1, "log_events_on_startup": false}),
        );
        with(task, self.more())
    }

    /// The kind of a task with this `task_id`.
    fn of(task_id: &str) -> Self {
        let (name, _) = task_id.split_once('-').unwrap();
        let kind = KINDS.into_iter().find(|kind| format!("{kind:?}") == name);
        kind.unwrap()
    }

    fn end(self) -> End {
        let lines = (1..=6).map(|number| format!("line {number}")).collect();
        End {
            state: self.state(),
            tries: self.tries(),
            lines: Lines::These(lines),
            result: (self == Self::Result).then(|| json!(6)),
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Plain | Self::Often | Self::Live | Self::SecondTry | Self::Result => "success",
            Self::Fails => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// How often it is tried.
    fn tries(self) -> i64 {
        match self {
            Self::SecondTry => 2,
            Self::Plain
            | Self::Often
            | Self::Live
            | Self::Fails
            | Self::Result
            | Self::Cancelled => 1,
        }
    }
}

/// Faults of all kinds; the diary's watch is not refused, for it counts the pods.
fn faults(rng: &mut StdRng) -> Value {
    let verbs = ["create", "get", "list", "delete", "patch", "update"];
    let rule = |share: f64, fault: Value| json!({"verbs": verbs, "path": "/pods", "share": share, "fault": fault});
    let share = rng.random_range(0.05..0.3);
    match rng.random_range(0..7) {
        0 => json!({"rules": [rule(share, json!({"status": 429}))]}),
        1 => {
            json!({"rules": [rule(share, json!({"status": 500})), rule(share, json!({"status": 503}))]})
        }
        2 => json!({"rules": [rule(share, json!("cut"))]}),
        3 => json!({"rules": [rule(share, json!("lose_answer"))]}),
        4 => json!({"rules": [rule(1.0, json!({"delay_millis": 200}))]}),
        5 => json!({"cut_watches": true}),
        _ => json!({}),
    }
}

#[derive(Default)]
struct Sums {
    tasks: usize,
    faults: u32,
    kills: u32,
}

/// Submits one task of each kind.
fn submit(home: &Home, sums: &mut Sums) {
    let tasks: Vec<Value> = KINDS
        .iter()
        .enumerate()
        .map(|(index, kind)| kind.task(&home.dag, sums.tasks + index))
        .collect();
    home.run(&["submit", &home.task(&json!(tasks))]).expect(0);
    sums.tasks += KINDS.len();
}

/// Cancels what is to be cancelled and has written its lines.
fn cancel(home: &Home) {
    let due = home.sql(
        "SELECT id FROM task_list WHERE task_id LIKE 'Cancelled-%' AND log_lines >= 6
           AND state IN ('deferred', 'queued', 'running')",
    );
    let ids: Vec<String> = due.iter().map(|row| row["id"].to_string()).collect();
    for id in &ids {
        // It may be on its way to its end already.
        home.run(&["cancel", id, "--no-wait"]);
    }
}

fn open(home: &Home) -> i64 {
    let open = home.sql(
        "SELECT count(*) AS n FROM task_list
         WHERE state IN ('queued', 'running', 'deferred', 'up_for_retry')",
    );
    open[0]["n"].as_i64().unwrap()
}

#[test]
#[ignore = "ten minutes of load: run by name"]
fn mixed_load_with_faults_and_kills() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let seed = number("ADJOURN_SOAK_SEED").unwrap_or_else(rand::random);
    let seconds = number("ADJOURN_SOAK_SECONDS").unwrap_or(600);
    println!("ADJOURN_SOAK_SEED={seed} ADJOURN_SOAK_SECONDS={seconds}");
    let mut rng = StdRng::seed_from_u64(seed);
    let home = Home::beside(Cluster::with_faults());
    let diary = home.diary();
    let mut sums = Sums::default();
    let until = Instant::now() + Duration::from_secs(seconds);
    submit(&home, &mut sums);
    let mut serve: Running = home.serve();
    while Instant::now() < until {
        home.cluster().order(&faults(&mut rng));
        sums.faults += 1;
        // How long a daemon lives, and a fault lasts: the load is the point here, not a signal.
        std::thread::sleep(Duration::from_millis(rng.random_range(500..5_000)));
        if rng.random_bool(0.5) {
            serve.kill();
            sums.kills += 1;
            serve = home.serve();
        }
        if open(&home) < AT_ONCE {
            submit(&home, &mut sums);
        }
        cancel(&home);
    }
    home.cluster().order(&json!({}));
    let patience = Instant::now() + Duration::from_secs(300);
    while open(&home) > 0 {
        assert!(
            Instant::now() < patience,
            "tasks are stuck: {:?}",
            home.sql("SELECT * FROM task_list WHERE finished_at IS NULL")
        );
        cancel(&home);
        std::thread::sleep(Duration::from_millis(500));
    }
    home.until_count(
        "nothing left to dispose of",
        "SELECT count(*) = 0 FROM disposals",
        1,
    );
    drop(serve);
    let tally = judge(&home, |task_id| Kind::of(task_id).end());
    let pods = diary.closed().len();
    println!(
        "{} tasks, {} faults ordered, {} kills: {} lines lost, {} lines repeated or out of order, {} wrong verdicts, {} wrong tries, {} pods of {}",
        tally.tasks,
        sums.faults,
        sums.kills,
        tally.lost_lines,
        tally.repeated_lines,
        tally.wrong_verdicts,
        tally.wrong_tries,
        pods,
        tally.tries
    );
    home.run(&["doctor"]).expect(0);
    assert!(tally.is_clean(), "{tally:?}");
    assert_eq!(tally.tasks, sums.tasks, "tasks on record");
    assert_eq!(i64::try_from(pods).unwrap(), tally.tries, "pods ever");
}
