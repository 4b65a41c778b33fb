//! Which cases there are, and running them side by side.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use adjourn::failpoint::NAMES;

use crate::case::{Blow, server, strike, tally};
use crate::scenario::{SCENARIOS, Scenario};
use crate::support::cluster;

/// No point is reached so often in any scenario: a chain that gets here would never end.
const MOST_HITS: u32 = 100;

/// What the matrix came to.
pub struct Outcome {
    /// How many points were visited.
    pub points: usize,
    pub kills: u32,
    pub scenarios: usize,
    pub failures: Vec<String>,
}

/// The hits of one point in one scenario.
struct Chain {
    scenario: &'static Scenario,
    point: &'static str,
}

#[derive(Default)]
struct Tallies {
    kills: AtomicU32,
    visited: Mutex<BTreeSet<&'static str>>,
    failures: Mutex<Vec<String>>,
}

pub fn run() -> Outcome {
    let full = std::env::var("ADJOURN_MATRIX").is_ok_and(|mode| mode == "full");
    let only = std::env::var("ADJOURN_MATRIX_ONLY").unwrap_or_default();
    // Held to the end, so that all cases share it.
    let _cluster = cluster();
    let _server = server();
    let tallies = Tallies::default();

    let reached: Mutex<Vec<Chain>> = Mutex::default();
    side_by_side(SCENARIOS.iter().collect(), |scenario| {
        let hits = guarded(&tallies, scenario.name, || tally(scenario));
        let hits: BTreeSet<String> = hits.into_iter().flatten().collect();
        let points = NAMES.into_iter().filter(|name| hits.contains(*name));
        let chains = points.map(|point| Chain { scenario, point });
        reached.lock().unwrap().extend(chains);
    });
    let mut chains = reached.into_inner().unwrap();
    let scenarios: BTreeSet<&str> = chains.iter().map(|chain| chain.scenario.name).collect();
    let scenarios = scenarios.len();
    if !full {
        chains = one_a_point(chains);
    }
    chains.retain(|chain| format!("{}/{}", chain.scenario.name, chain.point).contains(&only));
    println!("{} chains of kills in {scenarios} scenarios", chains.len());

    side_by_side(chains, |chain| walk(&chain, full, &tallies));
    let visited = tallies.visited.into_inner().unwrap();
    let mut failures = tallies.failures.into_inner().unwrap();
    if only.is_empty() {
        let missed = NAMES.iter().filter(|name| !visited.contains(*name));
        failures.extend(missed.map(|name| format!("no process was killed at {name}")));
    }
    Outcome {
        points: visited.len(),
        kills: tallies.kills.into_inner(),
        scenarios,
        failures,
    }
}

/// For each point one of the scenarios that reach it, so that all scenarios have their share.
fn one_a_point(chains: Vec<Chain>) -> Vec<Chain> {
    let mut chosen: Vec<Chain> = Vec::new();
    let mut left = chains;
    for point in NAMES {
        let share = |scenario: &Scenario| {
            let taken = chosen.iter();
            taken
                .filter(|chain| chain.scenario.name == scenario.name)
                .count()
        };
        let best = left
            .iter()
            .enumerate()
            .filter(|(_, chain)| chain.point == point)
            .min_by_key(|(_, chain)| (share(chain.scenario), chain.scenario.name))
            .map(|(index, _)| index);
        if let Some(index) = best {
            chosen.push(left.swap_remove(index));
        }
    }
    chosen
}

/// Kills at the first hit, the second and so on, until the point is not reached any more; each
/// time once, and then twice in a row. In the short form: twice in a row at the first hit.
fn walk(chain: &Chain, full: bool, tallies: &Tallies) {
    for hit in 1..=MOST_HITS {
        let mut reached = false;
        for times in 1..=2 {
            if !full && times == 1 {
                continue;
            }
            let blow = Blow {
                point: chain.point,
                hit,
                times,
            };
            let name = format!("{}/{}:{hit} x{times}", chain.scenario.name, chain.point);
            let killed = guarded(tallies, &name, || strike(chain.scenario, blow));
            let Some(killed) = killed else {
                // What does not hold here is not asked any further.
                return;
            };
            tallies.kills.fetch_add(killed, Ordering::Relaxed);
            if killed > 0 {
                reached = true;
                tallies.visited.lock().unwrap().insert(chain.point);
            } else {
                break;
            }
        }
        if !full || !reached {
            return;
        }
    }
    let words = format!(
        "{}/{} is reached for ever",
        chain.scenario.name, chain.point
    );
    tallies.failures.lock().unwrap().push(words);
}

/// Runs a case; what does not hold is noted under its name.
fn guarded<T>(tallies: &Tallies, name: &str, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            let words = format!("{name}: {words}");
            tallies.failures.lock().unwrap().push(words);
            None
        }
    }
}

/// Does `work` on all `things`, several at once: pods mostly sleep.
fn side_by_side<T: Send>(mut things: Vec<T>, work: impl Fn(T) + Sync) {
    let jobs = std::env::var("ADJOURN_MATRIX_JOBS")
        .ok()
        .and_then(|jobs| jobs.parse().ok())
        .unwrap_or_else(|| 2 * std::thread::available_parallelism().map_or(2, usize::from));
    things.reverse();
    let things = Mutex::new(things);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = things.lock().unwrap().pop();
                    match next {
                        Some(thing) => work(thing),
                        None => return,
                    }
                }
            });
        }
    });
}
