//! The tables that are moved, as the source's schema describes them.

use std::cmp::Ordering;

use sqlx::Error;

use super::super::sql::{Row, Value};

/// Every table that is moved, each behind those that its rows belong to. Engines are not: nobody
/// works on a database that is moved.
pub(super) const NAMES: [&str; 8] = [
    "tasks",
    "pods",
    "triggers",
    "log_blocks",
    "log_cursors",
    "disposals",
    "xcom",
    "history",
];

/// A table.
pub(super) struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    /// The places of the columns of its key, in the key's order.
    pub key: Vec<usize>,
    /// How many rows the source has.
    pub rows: u64,
    /// The highest id that the source ever gave; none where rows have no ids of their own.
    pub highest: Option<i64>,
}

pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
}

/// Whose words a statement is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Table {
    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }

    /// The columns of the key, by which both engines put the same rows in the same order: texts go
    /// by their bytes.
    fn order(&self, engine: Engine, direction: &str) -> String {
        let columns = self.key.iter().map(|place| {
            let column = &self.columns[*place];
            let by_bytes = engine == Engine::Postgres && column.kind == Kind::Text;
            let collation = if by_bytes { " COLLATE \"C\"" } else { "" };
            format!("{}{collation}{direction}", column.name)
        });
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Its rows in the order of their keys; `behind` a key alone when there is to be one.
    pub(super) fn select(&self, engine: Engine, behind: bool) -> String {
        let order = self.order(engine, "");
        let condition = if behind {
            let places = vec!["?"; self.key.len()].join(", ");
            format!(" WHERE ({order}) > ({places})")
        } else {
            String::new()
        };
        format!(
            "SELECT {} FROM {}{condition} ORDER BY {order}",
            self.names(),
            self.name
        )
    }

    /// The last row that the target has.
    pub(super) fn last(&self) -> String {
        let order = self.order(Engine::Postgres, " DESC");
        format!(
            "SELECT {} FROM {} ORDER BY {order} LIMIT 1",
            self.names(),
            self.name
        )
    }

    pub(super) fn insert(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.name,
            self.names(),
            vec![row; rows].join(", ")
        )
    }

    /// The values of a row, in the order of the columns.
    pub(super) fn read(&self, row: &Row) -> Result<Vec<Value>, Error> {
        let read = self.columns.iter().map(|column| {
            let name = column.name.as_str();
            Ok(match column.kind {
                Kind::Number => Value::Number(row.try_get(name)?),
                Kind::Text => Value::Text(row.try_get(name)?),
                Kind::Bytes => Value::Bytes(row.try_get(name)?),
            })
        });
        read.collect()
    }

    pub(super) fn key_of<'v>(&self, values: &'v [Value]) -> Vec<&'v Value> {
        self.key.iter().map(|place| &values[*place]).collect()
    }

    /// A row's key for a person.
    pub(super) fn told_key(&self, values: &[Value]) -> String {
        let parts = self.key.iter().map(|place| {
            let value = match &values[*place] {
                Value::Number(number) => number.map(|number| number.to_string()),
                Value::Text(text) => text.clone(),
                Value::Bytes(_) => None,
            };
            let value = value.unwrap_or_else(|| "NULL".to_owned());
            format!("{} {value}", self.columns[*place].name)
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Which of two rows comes first.
    pub(super) fn compare_keys(&self, one: &[Value], other: &[Value]) -> Ordering {
        let both = self.key.iter().map(|place| (&one[*place], &other[*place]));
        both.map(|(one, other)| match (one, other) {
            (Value::Number(one), Value::Number(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.cmp(other),
            // A key has no others, and both sides are read as the same kinds.
            _ => Ordering::Equal,
        })
        .fold(Ordering::Equal, Ordering::then)
    }
}

/// How many bytes a row takes, about.
pub(super) fn weight(values: &[Value]) -> usize {
    let weights = values.iter().map(|value| match value {
        Value::Number(_) => 8,
        Value::Text(text) => text.as_ref().map_or(0, String::len),
        Value::Bytes(bytes) => bytes.as_ref().map_or(0, Vec::len),
    });
    weights.sum()
}
