//! One table's rows on their way, in the order of their keys.

use futures::TryStreamExt;

use super::super::error::StoreError;
use super::super::sql::{Value, query};
use super::error::MoveError;
use super::source::Source;
use super::table::{Engine, Table, weight};
use super::target::Target;

/// How many rows go in one statement, which is a transaction of its own. PostgreSQL takes 65,535
/// values, and no table has a hundred columns.
const ROWS: usize = 256;

/// How many bytes of rows go in one statement, about.
const BYTES: usize = 4 << 20;

/// Moves what the target lacks of a table: the rows behind its last one. Answers how many they are;
/// `tell` is told after each transaction how many it was about.
pub(super) async fn copy(
    source: &mut Source,
    target: &mut Target,
    table: &Table,
    mut tell: impl FnMut(u64),
) -> Result<u64, MoveError> {
    let last = query(table.last())
        .fetch_optional(&mut target.connection)
        .await
        .and_then(|row| row.map(|row| table.read(&row)).transpose())
        .map_err(|error| target.told(error))?;
    let mut select = query(table.select(Engine::Sqlite, last.is_some()));
    if let Some(last) = &last {
        let key = table.key_of(last).into_iter().cloned();
        select = select.bind_all(key.collect());
    }
    let path = source.path.clone();
    let told = |error| StoreError::from_sql(&path, error);
    let mut rows = select.fetch(&mut source.connection);
    let mut moved = 0;
    let mut batch = Batch::default();
    loop {
        let row = rows.try_next().await.map_err(told)?;
        let is_last = row.is_none();
        if let Some(row) = row {
            batch.add(table.read(&row).map_err(told)?);
        }
        if batch.rows > 0 && (is_last || batch.is_full()) {
            let full = std::mem::take(&mut batch);
            query(table.insert(full.rows))
                .bind_all(full.values)
                .execute(&mut target.connection)
                .await
                .map_err(|error| target.told(error))?;
            moved += full.rows as u64;
            tell(full.rows as u64);
        }
        if is_last {
            return Ok(moved);
        }
    }
}

/// Rows that go together.
#[derive(Default)]
struct Batch {
    values: Vec<Value>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, row: Vec<Value>) {
        self.rows += 1;
        self.bytes += weight(&row);
        self.values.extend(row);
    }

    fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }
}
