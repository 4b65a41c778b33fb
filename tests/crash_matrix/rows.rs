//! Questions to a case's database, asked directly: a process for each would cost too much.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use tokio::runtime::Runtime;

pub struct Rows {
    /// A path, or the URL of a server's.
    database: String,
    runtime: Runtime,
}

/// The first column of each row.
macro_rules! first_column {
    ($connection:expr, $question:expr) => {{
        let mut connection = $connection.await?;
        let asked = sqlx::query(AssertSqlSafe($question));
        let rows = asked.fetch_all(&mut connection).await;
        connection.close().await?;
        rows?.iter().map(|row| row.try_get(0)).collect()
    }};
}

impl Rows {
    pub fn of(database: String) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self { database, runtime }
    }

    fn numbers(&self, question: &str) -> Result<Vec<i64>, sqlx::Error> {
        self.runtime.block_on(async {
            if self.database.starts_with("postgres:") {
                first_column!(PgConnection::connect(&self.database), question)
            } else {
                first_column!(self.file().connect(), question)
            }
        })
    }

    fn file(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(&self.database);
        options.read_only(true)
    }

    /// The number that a question gives; none while there is no database.
    pub fn count_if_there(&self, question: &str) -> Option<i64> {
        self.numbers(question).ok()?.first().copied()
    }

    /// The number that a question gives.
    #[track_caller]
    pub fn count(&self, question: &str) -> i64 {
        self.numbers(question).unwrap()[0]
    }

    /// The texts that a question gives, a row each.
    #[track_caller]
    pub fn texts(&self, question: &str) -> Vec<String> {
        let texts: Result<Vec<String>, sqlx::Error> = self.runtime.block_on(async {
            if self.database.starts_with("postgres:") {
                first_column!(PgConnection::connect(&self.database), question)
            } else {
                first_column!(self.file().connect(), question)
            }
        });
        texts.unwrap()
    }
}
