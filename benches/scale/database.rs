//! The engine's database, seen from outside while the engine works.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};

pub struct Database {
    connection: SqliteConnection,
}

impl Database {
    pub async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(30));
        Self {
            connection: options.connect().await.unwrap(),
        }
    }

    pub async fn number(&mut self, question: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(question))
            .fetch_one(&mut self.connection)
            .await
            .unwrap()
    }

    /// Waits until a question is answered with `wanted`; says how it goes on a terminal.
    pub async fn until(&mut self, what: &str, question: &str, wanted: i64, pause: Duration) {
        let mut told = Instant::now();
        loop {
            let found = self.number(question).await;
            if found == wanted {
                return;
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("  {what}: {found} of {wanted}");
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Which task each pod is of.
    pub async fn tasks_of_pods(&mut self) -> HashMap<String, i64> {
        let pods: Vec<(String, i64)> = sqlx::query_as("SELECT name, task FROM pods")
            .fetch_all(&mut self.connection)
            .await
            .unwrap();
        pods.into_iter().collect()
    }

    /// The newest change of any task.
    pub async fn last_change(&mut self) -> i64 {
        self.number("SELECT coalesce(max(id), 0) FROM history")
            .await
    }

    /// Looks without rest until `count` tasks have been resumed since the change `since`: when
    /// each was seen to be.
    pub async fn resumed(&mut self, mut since: i64, count: usize) -> HashMap<i64, Instant> {
        let mut seen = HashMap::new();
        while seen.len() < count {
            let fresh: Vec<(i64, i64, String)> =
                sqlx::query_as("SELECT id, task, event FROM history WHERE id > ? ORDER BY id")
                    .bind(since)
                    .fetch_all(&mut self.connection)
                    .await
                    .unwrap();
            let now = Instant::now();
            for (id, task, event) in fresh {
                since = id;
                if event == "fire" {
                    seen.entry(task).or_insert(now);
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seen
    }
}
