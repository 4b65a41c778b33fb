//! A PostgreSQL server: how it is reached, and how it is waited for when it is lost.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Error};
use tokio::time::Instant;

/// How many connections read beside the writer.
const READERS: u32 = 4;

/// How many statements a connection keeps prepared.
const PREPARED: usize = 200;

/// How long a lost server is waited for before whoever asked is told.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a statement may be silent: longer than it waits for a lock.
const SILENCE: Duration = Duration::from_secs(30);

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a free connection of the pool is waited for.
const ACQUIRE: Duration = Duration::from_secs(10);

/// Where a server is and who asks.
#[derive(Clone)]
pub struct Server {
    options: Arc<PgConnectOptions>,
}

impl Server {
    /// Reads a URL as `postgres://user:password@host:5432/database?sslmode=verify-full`.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?;
        let options = options
            .application_name("adjourn")
            .statement_cache_capacity(PREPARED)
            .disable_statement_logging();
        Ok(Self {
            options: options.into(),
        })
    }

    /// Its name for people, without the password.
    pub(in crate::store) fn name(&self) -> String {
        let options = &self.options;
        format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        )
    }

    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, Error> {
        answered(self.options.connect()).await
    }

    pub(in crate::store) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.options)
    }

    /// Connects, and waits for a server that is lost, for a while.
    pub(in crate::store) async fn connect_patiently(&self) -> Result<PgConnection, Error> {
        let mut patience = Patience::new();
        let mut told = false;
        loop {
            match self.connect().await {
                Err(error) if is_lost(&error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(database = self.name(), %error, "waiting for the server");
                    }
                    if !patience.wait().await {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    pub(in crate::store) fn readers(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .acquire_timeout(ACQUIRE)
            // Asking each time whether it is there costs a question more: one that is not is told
            // by the question itself, which is then asked again.
            .test_before_acquire(false)
            .connect_lazy_with(self.options())
    }
}

/// How long to go on trying.
pub(in crate::store) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(in crate::store) fn new() -> Self {
        Self {
            until: Instant::now() + PATIENCE,
            pause: PAUSES.0,
        }
    }

    /// Waits a little, each time longer; answers whether it makes sense to try again.
    pub(in crate::store) async fn wait(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        let pause = self.pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}

/// What a server answers; one that says nothing for so long is lost, whatever its connection looks
/// like from here.
pub(in crate::store) async fn answered<T>(
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(SILENCE, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Whether the server is not there, or not there any more, and may be again.
pub(in crate::store) fn is_lost(error: &Error) -> bool {
    if matches!(error, Error::Io(_) | Error::PoolTimedOut) {
        return true;
    }
    // Connections that break, a server that shuts down or starts up, one that ended a transaction
    // that idled, one with no connection to spare, a standby.
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| {
        code.starts_with("08")
            || code.starts_with("57P0")
            || code == "25P03"
            || code == "53300"
            || code == "25006"
    })
}
