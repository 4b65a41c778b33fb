//! Every row from both sides, beside each other.

use std::cmp::Ordering;

use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::super::error::StoreError;
use super::super::sql::{Row, Value, query};
use super::error::MoveError;
use super::source::Source;
use super::table::{Engine, Table};
use super::target::Target;

/// How many differences are told one by one.
const TOLD: usize = 20;

/// How many rows are compared between two words about it.
const STRIDE: u64 = 256;

/// Something that the two databases do not have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row, by its key.
    pub key: String,
    /// What is different about it.
    pub what: Unlike,
}

/// What is different about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlike {
    /// This column.
    Column(String),
    /// The row is not on the server.
    Missing,
    /// The row is on the server alone.
    Alone,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, key, what } = self;
        match what {
            Unlike::Column(column) => write!(f, "{table}, {key}: {column} is not the same"),
            Unlike::Missing => write!(f, "{table}, {key}: the row is not on the server"),
            Unlike::Alone => write!(f, "{table}, {key}: the row is on the server alone"),
        }
    }
}

/// What was compared, and what came of it.
#[derive(Default)]
pub(super) struct Check {
    pub checked: u64,
    pub differences: Vec<Difference>,
    pub different: u64,
}

impl Check {
    /// Reads a table from both sides and compares it, row by row and column by column. One row of
    /// each side is held at a time.
    pub(super) async fn compare(
        &mut self,
        source: &mut Source,
        target: &mut Target,
        table: &Table,
        mut tell: impl FnMut(u64),
    ) -> Result<(), MoveError> {
        let (path, name) = (source.path.clone(), target.name.clone());
        let of_source = |error| MoveError::Store(StoreError::from_sql(&path, error));
        let of_target = |error| MoveError::of_target(&name, error);
        let mut here = query(table.select(Engine::Sqlite, false)).fetch(&mut source.connection);
        let mut there = query(table.select(Engine::Postgres, false)).fetch(&mut target.connection);
        let mut untold = 0;
        let mut one = next(&mut here, table).await.map_err(of_source)?;
        let mut other = next(&mut there, table).await.map_err(of_target)?;
        loop {
            let order = match (&one, &other) {
                (None, None) => break,
                (Some(one), Some(other)) => table.compare_keys(one, other),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            self.judge(table, order, one.as_deref(), other.as_deref());
            if order.is_le() {
                self.checked += 1;
                untold += 1;
                one = next(&mut here, table).await.map_err(of_source)?;
            }
            if order.is_ge() {
                other = next(&mut there, table).await.map_err(of_target)?;
            }
            if untold == STRIDE {
                tell(std::mem::take(&mut untold));
            }
        }
        tell(untold);
        Ok(())
    }

    fn judge(
        &mut self,
        table: &Table,
        order: Ordering,
        one: Option<&[Value]>,
        other: Option<&[Value]>,
    ) {
        match (order, one, other) {
            (Ordering::Equal, Some(one), Some(other)) => {
                for (column, (one_value, other_value)) in
                    table.columns.iter().zip(one.iter().zip(other))
                {
                    if !is_same(one_value, other_value) {
                        self.found(table, one, Unlike::Column(column.name.clone()));
                    }
                }
            }
            (Ordering::Less, Some(one), _) => self.found(table, one, Unlike::Missing),
            (Ordering::Greater, _, Some(other)) => self.found(table, other, Unlike::Alone),
            (Ordering::Less | Ordering::Equal | Ordering::Greater, _, _) => {}
        }
    }

    fn found(&mut self, table: &Table, row: &[Value], what: Unlike) {
        self.different += 1;
        if self.differences.len() < TOLD {
            self.differences.push(Difference {
                table: table.name,
                key: table.told_key(row),
                what,
            });
        }
    }
}

async fn next(
    rows: &mut BoxStream<'_, Result<Row, sqlx::Error>>,
    table: &Table,
) -> Result<Option<Vec<Value>>, sqlx::Error> {
    let row = rows.try_next().await?;
    row.map(|row| table.read(&row)).transpose()
}

/// Whether the server has what the file has. It has no NUL in a text: there, and only there, a mark
/// stands in its place.
fn is_same(here: &Value, there: &Value) -> bool {
    if here == there {
        return true;
    }
    match (here, there) {
        (Value::Text(Some(here)), Value::Text(Some(there))) => {
            here.contains('\0') && here.replace('\0', "\u{fffd}") == *there
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_nul_may_have_become_the_mark() {
        let text = |text: &str| Value::from(text);
        assert!(is_same(&text("a\0b"), &text("a\u{fffd}b")));
        assert!(is_same(&text("a"), &text("a")));
        assert!(!is_same(&text("a\0b"), &text("a\u{fffd}c")));
        assert!(!is_same(&text("a?"), &text("a\u{fffd}")));
        assert!(!is_same(&text("a\u{fffd}"), &text("a\0")));
        assert!(!is_same(&text(""), &Value::Text(None)));
        assert!(!is_same(&Value::from(1_i64), &Value::from(2_i64)));
    }
}
