//! What several daemons on one PostgreSQL come to: whole lives of tasks in a second, and how long
//! it takes until a dead daemon's tasks are in other hands.
//!
//! `cargo bench --bench replicas` prints a row for 1, 2 and 3 daemons; `-- --lives 1000` times fewer
//! lives. The simulated cluster, the daemons, the server and this program share the machine, so
//! that more daemons cannot do more than its processors can: docs/scaling.md.

#![allow(clippy::unwrap_used, reason = "a bench ends by panicking")]
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "figures to be read, not to be counted on"
)]

#[path = "../scale/database.rs"]
#[allow(dead_code, reason = "the database of the other bench")]
mod database;
#[path = "../../tests/support/postgres.rs"]
#[allow(dead_code, reason = "the tests ask for more")]
mod postgres;
#[path = "../scale/stage.rs"]
#[allow(dead_code, reason = "the other bench asks for more")]
mod stage;

use std::time::{Duration, Instant};

use postgres::Postgres;
use stage::Stage;

/// How many tasks wait when a daemon dies.
const WAITING: usize = 1_000;

/// Between two looks at something that gives no sign of its own.
const LOOK: Duration = Duration::from_millis(50);

/// Looks until `look` sees something.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(900),
            "in vain waited for {what}"
        );
        std::thread::sleep(LOOK);
    }
}

fn main() {
    let mut lives = 3_000;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--lives" => lives = arguments.next().unwrap().parse().unwrap(),
            other => panic!("{other} is not known; see benches/replicas/main.rs"),
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Postgres::start();
    println!("| daemons | lives per second | takeover after kill -9, ms |");
    println!("|---|---|---|");
    for daemons in 1..=3 {
        let per_second = runtime.block_on(measure_lives(&server, daemons, lives));
        let takeover = runtime.block_on(measure_takeover(&server, daemons));
        println!("| {daemons} | {per_second:.0} | {} |", takeover.as_millis());
    }
}

struct Tasks<'s> {
    server: &'s Postgres,
    database: String,
}

impl Tasks<'_> {
    fn count(&self, question: &str) -> i64 {
        self.server.rows(&self.database, question)[0]
            .parse()
            .unwrap()
    }

    fn until(&self, what: &str, question: &str, wanted: i64) {
        eventually(what, || (self.count(question) == wanted).then_some(()));
    }
}

async fn set<'s>(server: &'s Postgres, name: &str, daemons: usize) -> (Tasks<'s>, Stage) {
    let database = format!("{name}_{daemons}");
    let mut stage = Stage::set_on(server.database(&database)).await;
    for _ in 0..daemons {
        stage.start_engine_elsewhere().await;
    }
    (Tasks { server, database }, stage)
}

async fn measure_lives(server: &Postgres, daemons: usize, lives: usize) -> f64 {
    eprintln!("{lives} whole lives, {daemons} daemons");
    let (tasks, stage) = set(server, "lives", daemons).await;
    let ended = "SELECT count(*) FROM tasks WHERE state = 'success'";
    stage.submit("warm-up", 100, "100ms").await;
    tasks.until("the warm-up", ended, 100);
    tasks.until("disposals", "SELECT count(*) FROM disposals", 0);
    let begun = Instant::now();
    stage.submit("life", lives, "500ms").await;
    tasks.until("the end of all", ended, lives as i64 + 100);
    lives as f64 / begun.elapsed().as_secs_f64()
}

/// From the death of one of them until none of its triggers is its own any more. Where it was the
/// only one, another is started at once, as whoever looks after daemons would.
async fn measure_takeover(server: &Postgres, daemons: usize) -> Duration {
    eprintln!("takeover, {daemons} daemons");
    let (tasks, mut stage) = set(server, "takeover", daemons).await;
    stage.submit("waits", WAITING, "forever").await;
    tasks.until(
        "all to wait",
        "SELECT count(*) FROM triggers",
        WAITING as i64,
    );
    let last = "SELECT owner FROM engines ORDER BY started_at DESC LIMIT 1";
    let victim = server.rows(&tasks.database, last).remove(0);
    let watched = format!("SELECT count(*) FROM triggers WHERE owner = '{victim}'");
    eventually("it to watch something", || {
        (tasks.count(&watched) > 0).then_some(())
    });
    stage.kill_engine();
    let begun = Instant::now();
    if daemons == 1 {
        stage.start_engine_elsewhere().await;
    }
    tasks.until("others to watch all", &watched, 0);
    begun.elapsed()
}
