//! Statements that take many rows at once.
//!
//! A call to SQLite's thread costs as much as a small statement does. So what belongs together is
//! sent together: many rows with one statement, and the statements about a single change as one.

use super::error::JobError;
use super::sql::{Connection, Value, query};

/// How many rows a statement may take at the most.
const MOST: usize = 128;

/// A statement around a list of rows, of which those that begin with NULL are to be passed over:
/// lists come in few lengths, so that each statement is prepared once, and are filled up with such
/// rows.
pub(super) struct ManyRows {
    /// What stands before the rows.
    pub head: &'static str,
    /// How many values a row has.
    pub columns: usize,
    /// What stands behind the rows.
    pub tail: &'static str,
}

impl ManyRows {
    /// An insertion: `head` ends with the opening parenthesis of `INSERT … SELECT * FROM (`.
    pub(super) const fn insert(head: &'static str, columns: usize) -> Self {
        Self {
            head,
            columns,
            tail: ") AS new WHERE column1 IS NOT NULL",
        }
    }

    fn write(&self, text: &mut String, rows: usize) {
        text.push_str(self.head);
        text.push_str(" VALUES ");
        for row in 0..rows {
            text.push_str(if row == 0 { "(?" } else { ", (?" });
            for _ in 1..self.columns {
                text.push_str(", ?");
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text.push_str(";\n");
    }
}

/// The values of statements, in their order.
#[derive(Default)]
pub(super) struct Values(Vec<Value>);

impl Values {
    pub(super) fn add(&mut self, value: impl Into<Value>) -> Result<(), JobError> {
        self.0.push(value.into());
        Ok(())
    }

    /// A row of NULLs, of the kinds that the row before it has.
    fn add_empty_row(&mut self, columns: usize) {
        let before = self.0.len() - columns;
        for place in before..before + columns {
            let absent = self.0[place].absent();
            self.0.push(absent);
        }
    }
}

/// Statements on their way to the database.
pub(super) struct Script<'c> {
    connection: &'c mut Connection,
    /// Whether they wait for each other, to go as one call.
    together: bool,
    text: String,
    values: Values,
}

impl<'c> Script<'c> {
    /// Statements about `changes` changes. Those about a single one go together: of more, there
    /// would be so many different texts that none were found prepared.
    pub(super) fn about(connection: &'c mut Connection, changes: usize) -> Self {
        Self {
            together: changes <= 1 && connection.takes_scripts(),
            connection,
            text: String::new(),
            values: Values::default(),
        }
    }

    /// Runs `statement` with all of `rows`, each spelled by `spell`; nothing if there are none.
    pub(super) async fn rows<T>(
        &mut self,
        statement: &ManyRows,
        rows: &[T],
        spell: impl Fn(&mut Values, &T) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        for some in rows.chunks(MOST) {
            let length = some.len().next_power_of_two();
            statement.write(&mut self.text, length);
            for row in some {
                spell(&mut self.values, row)?;
            }
            for _ in some.len()..length {
                self.values.add_empty_row(statement.columns);
            }
            self.send_unless_together().await?;
        }
        Ok(())
    }

    /// Runs `statement` with the values that `spell` gives it.
    pub(super) async fn one(
        &mut self,
        statement: &'static str,
        spell: impl FnOnce(&mut Values) -> Result<(), JobError>,
    ) -> Result<(), JobError> {
        self.text.push_str(statement);
        self.text.push_str(";\n");
        spell(&mut self.values)?;
        self.send_unless_together().await
    }

    /// Runs `statement`, whose one value is a JSON list of `numbers`; nothing if there are none.
    pub(super) async fn numbers(
        &mut self,
        statement: &'static str,
        numbers: &[i64],
    ) -> Result<(), JobError> {
        if numbers.is_empty() {
            return Ok(());
        }
        self.one(statement, |to| to.add(as_json(numbers))).await
    }

    async fn send_unless_together(&mut self) -> Result<(), JobError> {
        if self.together {
            return Ok(());
        }
        self.send().await
    }

    /// Sends what still waits.
    pub(super) async fn send(&mut self) -> Result<(), JobError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let values = std::mem::take(&mut self.values);
        // Put together from literals of this crate; every value is bound.
        query(text)
            .bind_all(values.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

/// Numbers as `json_each` takes them.
pub(super) fn as_json(numbers: &[i64]) -> String {
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("[{}]", texts.join(","))
}
