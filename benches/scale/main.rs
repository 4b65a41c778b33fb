//! What it costs to wait for many pods, and how fast tasks go through: a simulated local cluster,
//! the engine, and this program that measures, each a process of its own.
//!
//! `cargo bench --bench scale` prints the table; `-- --n 10000` takes one N (repeat it for more),
//! `--json FILE` writes the figures as JSON, `--only PART` takes one part of it (waiting, lives,
//! durable, claims, logs). What each figure means and what it should be: docs/performance.md.

#![allow(clippy::unwrap_used, reason = "a bench ends by panicking")]
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures to be read, not to be counted on"
)]

mod claims;
mod database;
mod durable;
mod lives;
mod logs;
mod machine;
mod options;
mod process;
mod report;
mod stage;
mod waiting;

use options::{Options, Part};
use report::Report;

fn main() {
    let options = Options::from_arguments();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut report = Report::default();
    let interrupted = runtime.block_on(async {
        tokio::select! {
            () = measure(&options, &mut report) => false,
            // What was started is ended, and what was measured is shown.
            _ = tokio::signal::ctrl_c() => true,
        }
    });
    if interrupted {
        eprintln!("interrupted");
    }
    print!("{report}");
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report.to_json()).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
}

async fn measure(options: &Options, report: &mut Report) {
    if options.wants(Part::Durable) {
        report.durable = Some(durable::measure().await);
    }
    if options.wants(Part::Claims) {
        report.claims = Some(claims::measure().await);
    }
    if options.wants(Part::Logs) {
        report.logs = Some(logs::measure().await);
    }
    if options.wants(Part::Lives) {
        report.lives = Some(lives::measure(options.lives).await);
    }
    if options.wants(Part::Waiting) {
        for count in &options.counts {
            let figures = waiting::measure(*count, options.quiet).await;
            report.waiting.push(figures);
        }
    }
}
