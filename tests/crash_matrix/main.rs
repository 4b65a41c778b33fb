//! `kill -9` at every durable step of every scenario, and at each of them twice.
//!
//! For each point of `src/failpoint.rs` and each scenario the program is killed when it reaches
//! the point for the first time, the second time, and so on until it is not reached any more. It
//! is started again each time and must come to the same end as if nothing had happened. The
//! second pass kills the second process at the same point as well, so that each step is done
//! over again twice.
//!
//! By default each point is visited once, in one of the scenarios that reach it;
//! `ADJOURN_MATRIX=full` runs the whole matrix. `ADJOURN_MATRIX_JOBS` says how many cases run at
//! once, `ADJOURN_MATRIX_ONLY` which: a part of `scenario/point`. With `ADJOURN_MATRIX_STORE=postgres`
//! the tasks are on a PostgreSQL server of the test's own.
//!
//! It has its own `main`, so that its last line is the matrix's size and result.
#![allow(
    clippy::unwrap_used,
    reason = "a case ends where something is not as it must be"
)]

#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with tests that ask for more"
)]
mod support;

mod case;
mod matrix;
mod points;
mod rows;
mod scenario;

use std::process::ExitCode;

fn main() -> ExitCode {
    points::the_list_holds_every_point_of_the_source();
    let result = matrix::run();
    for failure in &result.failures {
        eprintln!("NOT HELD: {failure}");
    }
    let held = match result.failures.len() {
        0 => "all held".to_owned(),
        failed => format!("{failed} cases not held"),
    };
    println!(
        "{} points, {} kills, {} scenarios: {held}",
        result.points, result.kills, result.scenarios
    );
    if result.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
