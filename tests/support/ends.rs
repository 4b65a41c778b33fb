//! What must hold when tasks have come to their ends, whatever happened on the way.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be; its shared parts too"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Home;

/// The only right end of a task.
#[derive(Debug, Clone)]
pub struct End {
    pub state: &'static str,
    /// How often it was tried.
    pub tries: i64,
    pub lines: Lines,
    pub result: Option<Value>,
}

/// What its containers wrote, over all tries.
#[derive(Debug, Clone)]
pub enum Lines {
    These(Vec<String>),
    /// `line 0`, `line 1` and so on, up to where somebody ended it.
    Counted,
}

/// How many tasks there were, and what of them was not as it must be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub tasks: usize,
    /// How often all of them should have been tried.
    pub tries: i64,
    pub wrong_verdicts: usize,
    pub wrong_tries: usize,
    pub wrong_logs: usize,
    pub lost_lines: usize,
    pub repeated_lines: usize,
}

impl Tally {
    /// Whether all is as it must be.
    pub fn is_clean(&self) -> bool {
        let wrong = self.wrong_verdicts + self.wrong_tries + self.wrong_logs;
        wrong + self.lost_lines + self.repeated_lines == 0
    }
}

/// Holds every task of a database against its right end, which `right` knows by its `task_id`.
#[track_caller]
pub fn judge(home: &Home, right: impl Fn(&str) -> End) -> Tally {
    let mut logs = logs(home);
    let mut results = results(home);
    let mut verdicts = verdicts(home);
    let mut tally = Tally::default();
    for task in home.sql("SELECT id, task_id, state, try_number, reason FROM task_list") {
        let id = task["id"].as_i64().unwrap();
        let end = right(task["task_id"].as_str().unwrap());
        tally.tasks += 1;
        tally.tries += end.tries;
        let result = results.remove(&id);
        if task["state"] != end.state || result != end.result {
            eprintln!("wrong verdict or result: {task}, {result:?}");
            tally.wrong_verdicts += 1;
        }
        let once_a_try: Vec<(i64, i64)> = (1..=end.tries).map(|attempt| (attempt, 1)).collect();
        let given = verdicts.remove(&id).unwrap_or_default();
        if task["try_number"] != end.tries || given != once_a_try {
            eprintln!("wrong number of tries, or of verdicts for each, {given:?}: {task}");
            tally.wrong_tries += 1;
        }
        let log = logs.remove(&id).unwrap_or_default();
        let lines = match end.lines {
            Lines::These(lines) => lines,
            Lines::Counted => (0..log.len())
                .map(|number| format!("line {number}"))
                .collect(),
        };
        if log != lines {
            eprintln!("wrong log of {task}: {log:?}");
            let lost = lines.iter().filter(|line| !log.contains(line)).count();
            tally.wrong_logs += 1;
            tally.lost_lines += lost;
            tally.repeated_lines += usize::from(lost == 0) + log.len().saturating_sub(lines.len());
        }
    }
    tally
}

/// The lines of each task's containers.
fn logs(home: &Home) -> BTreeMap<i64, Vec<String>> {
    let mut logs: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let lines = "SELECT id, line FROM task_log WHERE kind = 'output' ORDER BY id, seq";
    for row in home.sql(lines) {
        let line = row["line"].as_str().unwrap().to_owned();
        logs.entry(row["id"].as_i64().unwrap())
            .or_default()
            .push(line);
    }
    logs
}

fn results(home: &Home) -> BTreeMap<i64, Value> {
    let results = home.sql("SELECT task, value FROM xcom");
    let read = results.iter().map(|row| {
        let value = serde_json::from_str(row["value"].as_str().unwrap());
        (row["task"].as_i64().unwrap(), value.unwrap())
    });
    read.collect()
}

/// How often each attempt of each task came to an end.
fn verdicts(home: &Home) -> BTreeMap<i64, Vec<(i64, i64)>> {
    let mut verdicts: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    let ends = "SELECT id, try_number, count(*) AS times FROM task_history
                WHERE event IN ('complete', 'skip', 'fail', 'killed')
                GROUP BY id, try_number ORDER BY id, try_number";
    for row in home.sql(ends) {
        let [id, attempt, times] =
            ["id", "try_number", "times"].map(|name| row[name].as_i64().unwrap());
        verdicts.entry(id).or_default().push((attempt, times));
    }
    verdicts
}

/// No row is left of anything that goes on, as `count` counts them.
#[track_caller]
pub fn nothing_is_left(count: impl Fn(&str) -> i64) {
    for (what, question) in [
        ("open tasks", "FROM tasks WHERE finished_at IS NULL"),
        ("pods that count as active", "FROM tasks WHERE pod_live = 1"),
        ("marks of lost lines", "FROM log_lines WHERE kind = 'gap'"),
        ("triggers", "FROM triggers"),
        ("open wishes about pods", "FROM disposals"),
        ("engines", "FROM engines"),
    ] {
        let left = count(&format!("SELECT count(*) {question}"));
        assert_eq!(left, 0, "{what} are left");
    }
}

/// `adjourn doctor` looks at everything and finds nothing.
#[track_caller]
pub fn finds_nothing(home: &Home) {
    let report = home.run(&["doctor", "-o", "json"]).expect(0).json();
    assert_eq!(report["findings"], json!([]), "{report}");
    assert_eq!(report["unchecked"], json!([]), "{report}");
}
