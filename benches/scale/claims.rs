//! What taking tasks into hand costs beside many that have ended long ago.

use std::path::Path;
use std::time::{Duration, Instant};

use adjourn::clock::Clock;
use adjourn::store::{Scope, Store};
use rusqlite::Connection;

use crate::durable::{new_task, tempdir_in_memory};

const FINISHED: usize = 1_000_000;
/// Each takes `AT_ONCE` tasks.
const CLAIMS: usize = 300;
const AT_ONCE: usize = 8;
/// How often it is asked whether there is anything to claim, while there is nothing.
const LOOKS: usize = 3_000;

pub struct Claims {
    pub empty: Times,
    pub full: Times,
}

/// Medians, in microseconds.
pub struct Times {
    /// A claim of eight tasks, written.
    pub claim: f64,
    /// The question alone, when nothing is due.
    pub look: f64,
}

pub async fn measure() -> Claims {
    let temp = tempdir_in_memory();
    eprintln!("claims without finished tasks");
    let empty = times(&temp.path().join("empty.db")).await;
    eprintln!("claims with {FINISHED} finished tasks");
    let path = temp.path().join("full.db");
    drop(Store::open(&path, Clock::system().now()).await.unwrap());
    fill(&path);
    let full = times(&path).await;
    Claims { empty, full }
}

async fn times(path: &Path) -> Times {
    let clock = Clock::system();
    let store = Store::open(path, clock.now()).await.unwrap();
    let claim = async |due: usize| {
        let now = clock.now();
        let lease = now + Duration::from_secs(30);
        let begun = Instant::now();
        let claimed = store.claim("bench", &Scope::All, AT_ONCE, lease, now).await;
        assert_eq!(claimed.unwrap().len(), due);
        begun.elapsed()
    };
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        looks.push(claim(0).await);
    }
    let tasks = (0..CLAIMS * AT_ONCE).map(|number| new_task(&format!("due-{number}")));
    store.submit(tasks.collect(), clock.now()).await.unwrap();
    let mut claims = Vec::with_capacity(CLAIMS);
    for _ in 0..CLAIMS {
        claims.push(claim(AT_ONCE).await);
    }
    Times {
        claim: median(claims),
        look: median(looks),
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Writes tasks that have ended, with the history that they leave.
fn fill(path: &Path) {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    let new = new_task("ended");
    {
        let mut task = transaction
            .prepare(
                "INSERT INTO tasks
                     (dag_id, task_id, run_id, map_index, operator, definition, state, fence,
                      max_tries, retry_policy, reason, exit_code, submitted_at, started_at,
                      finished_at, changed_at)
                 VALUES ('scale', ?1, 'long ago', -1, 'pod', ?2, 'success', 3, 1, '{}',
                         'container base ended with exit code 0', 0, ?3, ?3, ?3, ?3)",
            )
            .unwrap();
        let mut history = transaction
            .prepare(
                "INSERT INTO history (task, at, event, from_state, to_state, try_number, fence)
                 VALUES (?1, ?2, 'complete', 'running', 'success', 1, 3)",
            )
            .unwrap();
        for number in 0..FINISHED as i64 {
            let name = format!("ended-{number}");
            let at = 1_795_000_000_000 + number;
            task.execute((&name, &new.definition, at)).unwrap();
            history.execute((number + 1, at)).unwrap();
        }
    }
    transaction.commit().unwrap();
}
