//! `adjourn migrate`: everything that an SQLite file holds, moved to a PostgreSQL server.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::error::{CliError, sentence};
use super::exit;
use super::output::{print_one, say};
use super::situation::Situation;
use crate::store::{Difference, MoveError, Moved, Progress, Unlike, migrate};

/// Move everything from an SQLite file to a PostgreSQL server
///
/// Nobody may work on either: stop `adjourn serve` first. The file is kept as it is. The database on
/// the server must be there and be empty; its tables are made. When all is there, every row of both
/// is read and compared. A move that was interrupted goes on where it stopped when it is run again;
/// until it has come to its end no other command opens the database on the server.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// The SQLite file, as sqlite:/path/adjourn.db
    #[arg(long, value_name = "FILE")]
    from: String,
    /// The server, as postgres://user@host:5432/database
    #[arg(long, value_name = "URL")]
    to: String,
}

#[derive(Serialize)]
struct Answer {
    from: PathBuf,
    to: PathBuf,
    tables: Vec<TableAnswer>,
    /// How many rows were compared.
    checked: u64,
    equal: bool,
    /// How many differences there are; the first of them follow.
    different: u64,
    differences: Vec<DifferenceAnswer>,
}

#[derive(Serialize)]
struct TableAnswer {
    table: &'static str,
    rows: u64,
    /// How many of them this run has moved.
    moved: u64,
}

#[derive(Serialize)]
struct DifferenceAnswer {
    table: &'static str,
    key: String,
    /// None: the whole row is on one side alone.
    column: Option<String>,
    text: String,
}

pub(super) async fn run(args: MigrateArgs, situation: &Situation) -> Result<u8, CliError> {
    if situation.global.db.is_some() {
        return Err(CliError::Usage(
            "--db says nothing here: --from and --to name the databases".to_owned(),
        ));
    }
    let bar = Bar::at_a_terminal();
    let moved = migrate(&args.from, &args.to, situation.clock.now(), |progress| {
        if let Some(bar) = &bar {
            bar.draw(progress);
        }
    })
    .await;
    drop(bar);
    let moved = moved?;
    let equal = moved.different == 0;
    if !print_one(situation.format(), &answer(&moved)).await? {
        tell(&moved);
    }
    for difference in &moved.differences {
        say(format!("error: {difference}"));
    }
    if equal {
        return Ok(exit::SUCCESS);
    }
    let shown = moved.differences.len() as u64;
    if moved.different > shown {
        say(format!("error: and {} more", moved.different - shown));
    }
    say(format!("error: {}", instead(&moved)));
    Ok(exit::FAILED)
}

/// What there is to do about differences.
fn instead(moved: &Moved) -> String {
    if moved.was_whole {
        format!(
            "{} had all of it before and is not the same any more: it was worked on since, and is the one to go on with",
            moved.to.display()
        )
    } else {
        format!(
            "{} is not what {} is, and stays closed to other commands; make an empty database and move to that",
            moved.to.display(),
            moved.from.display()
        )
    }
}

fn tell(moved: &Moved) {
    if moved.was_whole {
        say(format!(
            "{} had all of it before; nothing was moved",
            moved.to.display()
        ));
    }
    let counts: Vec<String> = moved
        .tables
        .iter()
        .map(|table| counted(table.table, table.rows))
        .collect();
    let end = if moved.different == 0 {
        "equal".to_owned()
    } else {
        format!("{} differences", moved.different)
    };
    let verb = if moved.was_whole {
        "there are"
    } else {
        "moved"
    };
    say(format!(
        "{verb} {}; checked {}: {end}",
        counts.join(", "),
        counted("rows", moved.checked)
    ));
    if !moved.was_whole && moved.different == 0 {
        say(format!(
            "go on with adjourn serve --db {}, and never with {} again",
            moved.to.display(),
            moved.from.display()
        ));
    }
}

/// So many of what a table holds.
fn counted(table: &str, count: u64) -> String {
    let (one, many) = match table {
        "tasks" => ("task", "tasks"),
        "pods" => ("pod", "pods"),
        "triggers" => ("trigger", "triggers"),
        "log_blocks" => ("log block", "log blocks"),
        "log_cursors" => ("log cursor", "log cursors"),
        "disposals" => ("wish about a pod", "wishes about pods"),
        "xcom" => ("result", "results"),
        "history" => ("change of state", "changes of state"),
        _ => ("row", "rows"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

fn answer(moved: &Moved) -> Answer {
    let tables = moved.tables.iter().map(|table| TableAnswer {
        table: table.table,
        rows: table.rows,
        moved: table.moved,
    });
    Answer {
        from: moved.from.clone(),
        to: moved.to.clone(),
        tables: tables.collect(),
        checked: moved.checked,
        equal: moved.different == 0,
        different: moved.different,
        differences: moved.differences.iter().map(difference).collect(),
    }
}

fn difference(difference: &Difference) -> DifferenceAnswer {
    DifferenceAnswer {
        table: difference.table,
        key: difference.key.clone(),
        column: match &difference.what {
            Unlike::Column(column) => Some(column.clone()),
            Unlike::Missing | Unlike::Alone => None,
        },
        text: difference.to_string(),
    }
}

/// How far it has come, at a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn at_a_terminal() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} rows  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        Some(Self(bar.with_style(style)))
    }

    fn draw(&self, progress: Progress) {
        let verb = if progress.checking {
            "checking"
        } else {
            "moving"
        };
        self.0.set_length(progress.rows);
        self.0.set_position(progress.done);
        self.0.set_message(format!("{verb} {}", progress.table));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl From<MoveError> for CliError {
    fn from(error: MoveError) -> Self {
        let words = sentence(&error);
        match error {
            MoveError::Route(_)
            | MoveError::NoSource(_)
            | MoveError::InUse(_)
            | MoveError::OlderSchema { .. }
            | MoveError::Damaged { .. }
            | MoveError::NoTarget { .. }
            | MoveError::Works(_)
            | MoveError::TargetHeld(_)
            | MoveError::Taken(_) => Self::Usage(words),
            MoveError::Lost { .. } => Self::Failed(words),
            MoveError::Store(error) => error.into(),
        }
    }
}
