//! `adjourn top`: what there is, counted, and counted again.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use super::error::CliError;
use super::exit;
use super::moments::{age, moment};
use super::output::{answer, print_one};
use super::signals::Signals;
use super::situation::Situation;
use super::table::{layout, or_dash};
use crate::clock::Timestamp;
use crate::service::Stats;
use crate::task::state::STATE_NAMES;

/// Show how many tasks are in each state, what is late, and who works
///
/// At a terminal the table is drawn anew as things change, until Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// Show it once and end; so it is anyway where no terminal is
    #[arg(long)]
    once: bool,
}

/// The longest wait between two counts.
const LOOK: Duration = Duration::from_secs(1);

/// The shortest.
const BREATH: Duration = Duration::from_millis(250);

/// To the upper left corner, and nothing behind it.
const ANEW: &str = "\x1b[H\x1b[J";

pub(super) async fn run(args: TopArgs, situation: &Situation) -> Result<u8, CliError> {
    let tasks = situation.needed_tasks().await?;
    let stats = tasks.stats().await?;
    if print_one(situation.format(), &stats).await? {
        return Ok(exit::SUCCESS);
    }
    if args.once || !std::io::stdout().is_terminal() {
        answer(&text(&stats, situation.clock.now())).await?;
        return Ok(exit::SUCCESS);
    }
    let mut signals = Signals::listen()?;
    let shown = async {
        let mut changes = tasks.changes().await?;
        loop {
            changes.seen();
            let now = situation.clock.now();
            let table = text(&tasks.stats().await?, now);
            answer(&format!("{ANEW}adjourn top, {}\n\n{table}", moment(now))).await?;
            tokio::time::sleep(BREATH).await;
            changes.next(LOOK).await?;
        }
    };
    tokio::select! {
        ended = shown => ended,
        () = signals.next() => Ok(exit::SUCCESS),
    }
}

fn text(stats: &Stats, now: Timestamp) -> String {
    let states = STATE_NAMES.iter().map(|state| {
        let count = stats.tasks.get(*state).copied().unwrap_or(0);
        vec![(*state).to_owned(), count.to_string()]
    });
    let mut text = layout(["STATE", "TASKS"], states);
    let late = or_dash(stats.oldest_overdue_trigger.map(|due| age(due, now)));
    // Into a text nothing can fail.
    let _ = write!(
        text,
        "\nactive pods              {}\npods to be disposed of   {}\noldest overdue trigger   {late}\n",
        stats.active_pods, stats.open_disposals
    );
    let engines: Vec<Vec<String>> = stats
        .engines
        .iter()
        .map(|engine| {
            let alive = if engine.alive { "yes" } else { "no" };
            vec![
                engine.kind.clone(),
                age(engine.started_at, now),
                alive.to_owned(),
            ]
        })
        .collect();
    if engines.is_empty() {
        text.push_str("\nno engine works on this database\n");
    } else {
        text.push('\n');
        text.push_str(&layout(["ENGINE", "AGE", "ALIVE"], engines));
    }
    text
}
