//! Where a test's tasks are: a database of its own on a server that all share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use adjourn::store::Store;

use crate::support::at;
use crate::whole_program::{Postgres, postgres};

/// How many lives of the model are tried by default: each makes a database of its own, which takes a
/// server longer than a file.
pub const CASES: u64 = 8;

static DATABASES: AtomicU32 = AtomicU32::new(0);

pub struct Place {
    server: Arc<Postgres>,
    database: String,
}

impl Place {
    pub fn new() -> Self {
        let server = postgres();
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("store_{number}");
        server.database(&database);
        // What happens is tried here, not how durable it is.
        let hasty = format!("ALTER DATABASE {database} SET synchronous_commit = off");
        server.rows(&database, &hasty);
        Self { server, database }
    }

    pub fn path(&self) -> PathBuf {
        self.server.url(&self.database).into()
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.path(), at(0)).await.unwrap()
    }

    /// Runs a statement that the store knows nothing of.
    pub async fn execute(&self, statement: String) {
        self.server.rows(&self.database, &statement);
    }

    /// The rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.server.rows(&self.database, &count)[0].parse().unwrap()
    }
}
