//! `adjourn sql`: a person's own question to the database.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value};

use super::args::Format;
use super::error::CliError;
use super::output::{answer, print_list};
use super::situation::Situation;
use super::table::layout;
use super::{exit, input};
use crate::store::{SqlCell, SqlTable};

/// Ask the database in SQL; nothing can be changed
///
/// The views are made for reading: task_list, deferred_tasks, task_history, task_log.
#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    /// The statement, or - for stdin
    statement: String,
}

pub(super) async fn run(args: SqlArgs, situation: &Situation) -> Result<u8, CliError> {
    let statement = if args.statement == "-" {
        input::text(Path::new("-")).await?.0
    } else {
        args.statement
    };
    let service = situation.needed_service().await?;
    let table = service.sql(&statement).await?;
    let format = situation.format();
    let objects: Vec<Value> = table.rows.iter().map(|row| object(&table, row)).collect();
    if print_list(format, &objects).await? {
        return Ok(exit::SUCCESS);
    }
    let text = if format == Format::Name {
        // The first column, as ids are.
        let first = table.rows.iter().filter_map(|row| row.first());
        first.map(|cell| plain(cell) + "\n").collect()
    } else if table.columns.is_empty() {
        String::new()
    } else {
        let rows = table.rows.iter().map(|row| row.iter().map(plain).collect());
        layout(table.columns.iter().map(String::as_str), rows)
    };
    answer(&text).await?;
    Ok(exit::SUCCESS)
}

fn object(table: &SqlTable, row: &[SqlCell]) -> Value {
    let members: Map<String, Value> = table
        .columns
        .iter()
        .cloned()
        .zip(row.iter().map(as_json))
        .collect();
    members.into()
}

fn as_json(cell: &SqlCell) -> Value {
    match cell {
        SqlCell::Null => Value::Null,
        SqlCell::Integer(number) => Value::from(*number),
        SqlCell::Real(number) => Value::from(*number),
        SqlCell::Text(text) => Value::from(text.as_str()),
        SqlCell::Blob(bytes) => Value::from(blob(bytes)),
    }
}

fn plain(cell: &SqlCell) -> String {
    match cell {
        SqlCell::Null => "NULL".to_owned(),
        SqlCell::Integer(number) => number.to_string(),
        SqlCell::Real(number) => number.to_string(),
        SqlCell::Text(text) => text.clone(),
        SqlCell::Blob(bytes) => blob(bytes),
    }
}

/// Bytes are mostly log lines: text where they are text, else in SQL's own notation.
fn blob(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("X'{digits}'")
        }
    }
}
