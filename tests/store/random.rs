//! The store against a model of a hundred lines: random submits, claims, steps, events,
//! cancellations, crashes and clocks that are set, in any order, by two engines, with late writes
//! of everybody who ever held a task.
//!
//! `ADJOURN_PROPTEST_CASES` says how many sequences are tried, `ADJOURN_PROPTEST_SEED` which.

use std::collections::HashSet;

use adjourn::store::{Scope, StepCommit, Store};
use adjourn::task::id::{Fence, TaskId};
use adjourn::task::outcome::{Ending, FailureKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::model::*;
use crate::place::CASES;
use crate::support::*;

/// What happens. Indexes are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Submit(usize),
    Claim(usize),
    Step(usize, Step),
    Append(usize, usize),
    Fire(usize),
    Cancel(usize),
    Retry(usize),
    /// An engine's janitor has its turn.
    Tidy(usize),
    /// An engine dies; another takes its place.
    Crash(usize),
    /// The database is closed and opened.
    Reopen,
    /// The clock goes on, or is set back.
    Clock(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let step = prop::sample::select(vec![
        Step::Defer,
        Step::Defer,
        Step::Complete,
        Step::Skip,
        Step::FailForNow,
        Step::FailForGood,
        Step::Killed,
        Step::Postpone,
        Step::Release,
        Step::Renew,
    ]);
    let any = 0..64_usize;
    let op = prop_oneof![
        2 => (0..4_usize).prop_map(Op::Submit),
        5 => any.clone().prop_map(Op::Claim),
        6 => (any.clone(), step).prop_map(|(grant, step)| Op::Step(grant, step)),
        2 => (any.clone(), 0..3_usize).prop_map(|(grant, lines)| Op::Append(grant, lines)),
        3 => any.clone().prop_map(Op::Fire),
        1 => any.clone().prop_map(Op::Cancel),
        1 => any.clone().prop_map(Op::Retry),
        3 => any.clone().prop_map(Op::Tidy),
        1 => any.prop_map(Op::Crash),
        1 => Just(Op::Reopen),
        3 => (-40..60_i64).prop_map(Op::Clock),
    ];
    prop::collection::vec(op, 1..80)
}

/// The store beside its model.
struct Bench {
    model: Model,
    place: Place,
    store: Store,
    engines: [String; 2],
    dead: HashSet<String>,
    /// Everybody who was ever given a task, and everything that was ever waited for.
    grants: Vec<(i64, i64, String)>,
    waits: Vec<(i64, i64)>,
}

fn commit(step: Step, now: i64) -> StepCommit {
    let fail = |retry_at: Option<i64>| StepCommit::Fail {
        ending: Ending::default(),
        kind: FailureKind::Failed,
        retry_at: retry_at.map(at),
    };
    match step {
        Step::Defer => StepCommit::Defer {
            trigger: trigger(),
            reason: String::new(),
        },
        Step::Complete => StepCommit::Complete(Ending::default()),
        Step::Skip => StepCommit::Skip(Ending::default()),
        Step::FailForNow => fail(Some(now + 3)),
        Step::FailForGood => fail(None),
        Step::Killed => StepCommit::Killed(Ending::default()),
        Step::Postpone => StepCommit::Postpone {
            until: at(now + 5),
            reason: String::new(),
        },
        Step::Release | Step::Renew => StepCommit::Release {
            reason: String::new(),
        },
    }
}

impl Bench {
    async fn new() -> Self {
        let place = Place::new();
        Self {
            store: place.store().await,
            place,
            model: Model::default(),
            engines: ["one 0".to_owned(), "two 0".to_owned()],
            dead: HashSet::new(),
            grants: Vec::new(),
            waits: Vec::new(),
        }
    }

    async fn apply(&mut self, op: &Op) {
        let now = self.model.now;
        let any_task = |index: usize| {
            let ids: Vec<i64> = self.model.tasks.keys().copied().collect();
            (!ids.is_empty()).then(|| ids[index % ids.len()])
        };
        match *op {
            Op::Submit(name) => {
                let task = new_task(&format!("t{name}"));
                let submitted = self.store.submit(vec![task], at(now)).await.unwrap();
                let known = self.model.names.get(&name).copied();
                let id = submitted[0].id.0;
                assert_eq!(submitted[0].created, known.is_none());
                assert!(known.is_none_or(|known| known == id));
                self.model.names.insert(name, id);
                self.model.tasks.entry(id).or_insert(Task {
                    place: Queued("execute", now),
                    fence: 0,
                    attempt: 1,
                    lines: 0,
                    changed: now,
                });
            }
            Op::Claim(index) => {
                let owner = self.engines[index % 2].clone();
                let lease = at(now + LEASE);
                let claimed = self.store.claim(&owner, &Scope::All, 2, lease, at(now));
                let claimed = claimed.await.unwrap();
                let ids: Vec<i64> = claimed.iter().map(|task| task.row.id.0).collect();
                assert_eq!(ids, self.model.claim(&owner), "who is claimed");
                let grants = claimed.iter().map(|task| &task.row);
                let grants = grants.map(|row| (row.id.0, row.fence.0, owner.clone()));
                self.grants.extend(grants);
            }
            Op::Step(index, step) if !self.grants.is_empty() => {
                let (id, fence, owner) = self.grants[index % self.grants.len()].clone();
                let (task, held) = (TaskId(id), Fence(fence));
                let counts = match step {
                    Step::Renew => {
                        let lease = at(now + LEASE);
                        self.store.renew(task, held, lease, at(now)).await.is_ok()
                    }
                    Step::Defer
                    | Step::Complete
                    | Step::Skip
                    | Step::FailForNow
                    | Step::FailForGood
                    | Step::Killed
                    | Step::Postpone
                    | Step::Release => {
                        let step = commit(step, now);
                        let written = self.store.commit_step(task, held, &owner, step, at(now));
                        written.await.is_ok()
                    }
                };
                assert_eq!(
                    counts,
                    self.model.step(id, fence, step),
                    "whether it counts"
                );
                if self.model.tasks[&id].place == Deferred {
                    self.waits.push((id, self.model.tasks[&id].fence));
                }
            }
            Op::Append(index, lines) if !self.grants.is_empty() => {
                let (id, fence, _) = self.grants[index % self.grants.len()].clone();
                let texts = (0..lines).map(|_| line(b"text", 1)).collect();
                let (task, held) = (TaskId(id), Fence(fence));
                let appended = self.store.append_log(task, held, texts, cursor(1), at(now));
                let counts = appended.await.is_ok();
                let lines = i64::try_from(lines).unwrap();
                assert_eq!(counts, self.model.append(id, fence, lines), "who may write");
            }
            Op::Fire(index) if !self.waits.is_empty() => {
                let (id, fence) = self.waits[index % self.waits.len()];
                let fired = self.store.fire(TaskId(id), Fence(fence), event(), at(now));
                let counts = fired.await.is_ok();
                assert_eq!(counts, self.model.fire(id, fence), "whether it fires");
            }
            Op::Step(..) | Op::Append(..) | Op::Fire(_) => {}
            Op::Cancel(index) => {
                if let Some(id) = any_task(index) {
                    let asked = self.store.cancel(TaskId(id), "by a test", at(now)).await;
                    assert_eq!(asked.is_ok(), self.model.cancel(id), "whether it may end");
                }
            }
            Op::Retry(index) => {
                if let Some(id) = any_task(index) {
                    let asked = self.store.retry(TaskId(id), "by a test", at(now)).await;
                    assert_eq!(asked.is_ok(), self.model.retry(id), "whether it may go on");
                }
            }
            Op::Tidy(index) => {
                let engine = self.engines[index % 2].clone();
                let (all, moment) = (Scope::All, at(now));
                self.store.begin_waits_again(&all, moment).await.unwrap();
                let adopted = self.store.adopt_triggers(&engine, &all, &self.dead);
                adopted.await.unwrap();
                self.store.reclaim(&all, &self.dead, moment).await.unwrap();
                self.store.queue_due_retries(&all, moment).await.unwrap();
                self.model.tidy(&self.dead);
            }
            Op::Crash(index) => {
                let next = format!("{} {}", ["one", "two"][index % 2], self.dead.len() + 1);
                let dead = std::mem::replace(&mut self.engines[index % 2], next);
                self.dead.insert(dead);
            }
            Op::Reopen => self.store = self.place.store().await,
            Op::Clock(seconds) => self.model.now += seconds,
        }
    }

    /// The rows say what the model says, and nothing is stuck.
    async fn agree(&self) {
        for (id, task) in &self.model.tasks {
            let row = self.store.task(TaskId(*id)).await.unwrap();
            let word = match task.place {
                Queued(..) => "queued",
                Running { .. } => "running",
                Deferred => "deferred",
                ForRetry(_) => "up_for_retry",
                Ended(end) => end,
            };
            let rows = (
                row.state.as_str(),
                row.fence.0,
                row.try_number,
                row.log_lines,
            );
            assert_eq!(rows, (word, task.fence, task.attempt, task.lines), "{id}");
            assert_eq!(row.log_seq, task.lines, "each line has a number of its own");
            let ended = matches!(task.place, Ended(_));
            assert_eq!(row.finished_at.is_some(), ended);
        }
        let rows = self.store.checkup().await.unwrap();
        let waiting: Vec<(i64, i64)> = self
            .model
            .tasks
            .iter()
            .filter(|(_, task)| task.place == Deferred)
            .map(|(id, task)| (*id, task.fence))
            .collect();
        let triggers: Vec<(i64, i64)> = rows
            .triggers
            .iter()
            .map(|trigger| trigger.as_ref().unwrap())
            .map(|trigger| (trigger.task.0, trigger.fence.0))
            .collect();
        assert_eq!(triggers, waiting, "each deferred task has its trigger");
    }

    /// Left alone with one engine, everything comes to an end.
    async fn comes_to_an_end(&mut self) {
        for _ in 0..20 {
            self.apply(&Op::Clock(LEASE + 10)).await;
            self.apply(&Op::Tidy(0)).await;
            let waiting = self.waits.clone();
            for index in 0..waiting.len() {
                self.apply(&Op::Fire(index)).await;
            }
            let before = self.grants.len();
            self.apply(&Op::Claim(0)).await;
            for grant in before..self.grants.len() {
                self.apply(&Op::Step(grant, Step::Complete)).await;
                self.apply(&Op::Step(grant, Step::Killed)).await;
            }
            self.agree().await;
        }
        let open = self.store.any_open(&Scope::All).await.unwrap();
        assert!(!open, "{:?}", self.model.tasks);
    }
}

#[test]
fn whatever_happens_the_store_does_what_its_model_does() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let seed = number("ADJOURN_PROPTEST_SEED").unwrap_or_else(rand::random);
    let cases = number("ADJOURN_PROPTEST_CASES").unwrap_or(CASES);
    println!("ADJOURN_PROPTEST_SEED={seed} ADJOURN_PROPTEST_CASES={cases}");
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(cases).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = runner.run(&ops(), |ops| {
        runtime.block_on(async {
            let mut bench = Bench::new().await;
            for op in &ops {
                bench.apply(op).await;
                bench.agree().await;
            }
            bench.comes_to_an_end().await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
