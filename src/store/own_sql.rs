//! A person's own SQL, on a connection that cannot write.

use futures::TryStreamExt;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row, TypeInfo, Value, ValueRef};

use super::error::StoreError;
use super::open::Store;
use super::sql::Pool;

/// One value of a person's own query.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlCell {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The answer to a person's own query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SqlTable {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<SqlCell>>,
}

impl Store {
    /// Runs one statement of a person's on a connection that cannot write.
    ///
    /// # Errors
    /// [`StoreError::Query`] with the database's words when it is wrong, or would write.
    pub async fn sql(&self, statement: &str) -> Result<SqlTable, StoreError> {
        match &self.reader {
            Pool::Sqlite(_) => self.sql_of_file(statement).await,
            Pool::Postgres(pool) => sql_of_server(pool, statement).await.map_err(wrong),
        }
    }

    async fn sql_of_file(&self, statement: &str) -> Result<SqlTable, StoreError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(self.path())
            .read_only(true)
            .pragma("query_only", "ON")
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|error| self.told(error))?;
        let mut table = SqlTable::default();
        {
            // A person's own text, on a connection that is read-only twice over.
            let mut rows =
                sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).fetch(&mut connection);
            while let Some(row) = rows.try_next().await.map_err(wrong)? {
                table.name_columns(&row);
                table.rows.push(read_cells(&row).map_err(wrong)?);
            }
        }
        connection.close().await.map_err(wrong)?;
        Ok(table)
    }
}

impl SqlTable {
    fn name_columns<R: Row>(&mut self, row: &R) {
        if self.columns.is_empty() {
            let columns = row.columns().iter();
            self.columns = columns.map(|column| column.name().to_owned()).collect();
        }
    }
}

/// The transaction is read-only and rolled back; the text cannot end it, since what it is sent as
/// takes one statement.
async fn sql_of_server(pool: &PgPool, statement: &str) -> Result<SqlTable, sqlx::Error> {
    let mut view = pool.begin_with("BEGIN READ ONLY").await?;
    let mut table = SqlTable::default();
    {
        let mut rows = sqlx::query(AssertSqlSafe(statement.to_owned()))
            .persistent(false)
            .fetch(&mut *view);
        while let Some(row) = rows.try_next().await? {
            table.name_columns(&row);
            table.rows.push(read_cells_of_server(&row)?);
        }
    }
    view.rollback().await?;
    Ok(table)
}

fn wrong(error: sqlx::Error) -> StoreError {
    StoreError::Query(words_of(&error))
}

fn words_of(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn read_cells(row: &SqliteRow) -> Result<Vec<SqlCell>, sqlx::Error> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(SqlCell::Null);
            }
            let value = raw.to_owned();
            let kind = value.type_info().name().to_owned();
            Ok(match kind.as_str() {
                "INTEGER" | "BOOLEAN" => SqlCell::Integer(value.try_decode_unchecked()?),
                "REAL" => SqlCell::Real(value.try_decode_unchecked()?),
                "BLOB" => SqlCell::Blob(value.try_decode_unchecked()?),
                _ => {
                    let bytes: Vec<u8> = value.try_decode_unchecked()?;
                    SqlCell::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
            })
        })
        .collect()
}

fn read_cells_of_server(row: &PgRow) -> Result<Vec<SqlCell>, sqlx::Error> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(SqlCell::Null);
            }
            let kind = raw.type_info().name().to_owned();
            Ok(match kind.as_str() {
                "INT8" => SqlCell::Integer(row.try_get(index)?),
                "INT4" => SqlCell::Integer(row.try_get::<i32, _>(index)?.into()),
                "INT2" => SqlCell::Integer(row.try_get::<i16, _>(index)?.into()),
                "BOOL" => SqlCell::Integer(row.try_get::<bool, _>(index)?.into()),
                "FLOAT8" => SqlCell::Real(row.try_get(index)?),
                "FLOAT4" => SqlCell::Real(row.try_get::<f32, _>(index)?.into()),
                "BYTEA" => SqlCell::Blob(row.try_get(index)?),
                "TEXT" | "VARCHAR" | "NAME" | "CHAR" | "BPCHAR" | "UNKNOWN" => {
                    SqlCell::Text(row.try_get_unchecked(index)?)
                }
                other => {
                    let what = format!("a column of type {other}: cast it, as in {}::text", {
                        row.column(index).name()
                    });
                    return Err(sqlx::Error::Decode(what.into()));
                }
            })
        })
        .collect()
}
