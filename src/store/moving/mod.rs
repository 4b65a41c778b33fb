//! Moving: everything that an SQLite file holds, to a PostgreSQL server.
//!
//! Nobody works on either of the two meanwhile. The file is held alone (`source`) and nothing in it
//! is changed; the server's database is held alone, too, and until all of it is there and checked
//! it bears a mark for which every other command refuses it (`target`). Each table arrives in the
//! order of its key (`copy`), so that what is there is always a beginning of the table: a move that
//! was killed goes on behind it, and no row comes twice. In the end every row is read from both
//! sides and compared (`check`).

mod check;
mod copy;
mod error;
mod route;
mod source;
mod table;
mod target;

use std::path::PathBuf;

use sqlx::Connection;

pub use check::{Difference, Unlike};
pub use error::MoveError;
pub(super) use target::refuse_half;

use crate::clock::Timestamp;
use check::Check;
use route::Route;
use source::Source;
use table::Table;
use target::{Stand, Target};

/// What came of a move.
#[derive(Debug)]
pub struct Moved {
    /// The file.
    pub from: PathBuf,
    /// The database on the server, without the password.
    pub to: PathBuf,
    /// Each table, in the order in which they were moved.
    pub tables: Vec<MovedTable>,
    /// How many rows were read from both sides and compared.
    pub checked: u64,
    /// In what the two differ; no more than a person reads.
    pub differences: Vec<Difference>,
    /// How many differences there are in all.
    pub different: u64,
    /// Whether all had been moved before this move, which only compared.
    pub was_whole: bool,
}

/// One table.
#[derive(Debug, Clone, Copy)]
pub struct MovedTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// How many of them were moved now; the others were there from a move that was interrupted.
    pub moved: u64,
}

/// How far a move has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Whether rows are compared; they are moved before that.
    pub checking: bool,
    /// The table at hand.
    pub table: &'static str,
    /// How many rows of all tables are done.
    pub done: u64,
    /// How many there are.
    pub rows: u64,
}

/// Moves everything from the file that `from` names to the server that `to` names, and compares
/// both. `tell` is told how far it has come.
///
/// # Errors
/// What is wrong with one of the places, who works there, or what stood in the way. What was moved
/// until then stays, and the same move goes on behind it.
pub async fn migrate(
    from: &str,
    to: &str,
    now: Timestamp,
    mut tell: impl FnMut(Progress),
) -> Result<Moved, MoveError> {
    let route = Route::read(from, to)?;
    let mut source = Source::open(&route.from).await?;
    let mut target = Target::open(&route, &source.installation, now).await?;
    let tables = source.tables().await?;
    let rows = tables.iter().map(|table| table.rows).sum();
    let mut progress = Progress {
        checking: false,
        table: "",
        done: 0,
        rows,
    };
    let mut moved = Vec::new();
    if target.stand == Stand::Beginning {
        for table in &tables {
            progress.table = table.name;
            progress.done += target.count(table).await?;
            tell(progress);
            moved.push(
                copy::copy(&mut source, &mut target, table, |rows| {
                    progress.done += rows;
                    tell(progress);
                })
                .await?,
            );
        }
        target.analyze().await?;
    }
    progress.checking = true;
    progress.done = 0;
    let mut check = Check::default();
    for table in &tables {
        progress.table = table.name;
        check
            .compare(&mut source, &mut target, table, |rows| {
                progress.done += rows;
                tell(progress);
            })
            .await?;
    }
    let was_whole = target.stand == Stand::Whole;
    if !was_whole && check.different == 0 {
        target.finish(&tables, &source).await?;
    }
    source.close().await?;
    // Everything is committed: whether the server hears the farewell changes nothing.
    let _ = target.connection.close().await;
    Ok(Moved {
        from: route.from,
        to: route.name,
        tables: told(&tables, &moved),
        checked: check.checked,
        differences: check.differences,
        different: check.different,
        was_whole,
    })
}

fn told(tables: &[Table], moved: &[u64]) -> Vec<MovedTable> {
    let moved = moved.iter().copied().chain(std::iter::repeat(0));
    let told = tables.iter().zip(moved).map(|(table, moved)| MovedTable {
        table: table.name,
        rows: table.rows,
        moved,
    });
    told.collect()
}
