//! `adjourn serve`: the daemon.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use clap::Args;

use super::error::CliError;
use super::notify::{self, notify};
use super::output::say;
use super::run::let_go;
use super::signals::Signals;
use super::situation::Situation;
use super::{engine_room, exit, local};
use crate::service::Service;
use crate::store::{EngineKind, Scope};

/// Work on every task of the database until told to stop
///
/// The first SIGTERM or Ctrl-C lets go in good order: claims are released, waiting tasks stay as
/// they are, pods are left alone. The second ends it at once. Nothing is lost either way.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {}

pub(super) async fn run(_args: ServeArgs, situation: &mut Situation) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let service = situation.service().await?;
    let _alone = alone(situation, &service).await?;
    let engine = tokio::select! {
        started = start(situation, &service) => started?,
        () = signals.next() => return Ok(exit::SUCCESS),
    };
    say(format!(
        "adjourn serve: ready (pid {}, db {}, {} slots)",
        std::process::id(),
        service.store().path().display(),
        situation.config.worker.slots
    ));
    notify(notify::READY);
    signals.next().await;
    notify(notify::STOPPING);
    tracing::info!("stopping: letting go of what is being worked on");
    let insisted = let_go(engine, &mut signals).await;
    Ok(if insisted {
        exit::INTERRUPTED
    } else {
        exit::SUCCESS
    })
}

async fn start(
    situation: &mut Situation,
    service: &Service,
) -> Result<crate::engine::Engine, CliError> {
    local::use_if_asked(situation).await?;
    engine_room::start(situation, service, EngineKind::Serve, Scope::All).await
}

/// Makes sure that this is the only daemon on the database, for as long as the file is held.
async fn alone(situation: &Situation, service: &Service) -> Result<File, CliError> {
    let database = service.store().path();
    let refused = |pid: Option<u32>| {
        let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        CliError::Usage(format!(
            "another adjourn serve{who} works on {} already; stop it first, or give this one another database with --db PATH",
            database.display()
        ))
    };
    let daemon = engine_room::daemon(situation, service).await?;
    if let Some(pid) = daemon {
        return Err(refused(pid));
    }
    // Two that start at the same moment see no sign of life of each other yet.
    let mut path = database.as_os_str().to_owned();
    path.push(".serve");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let locked = file.and_then(|file| match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    });
    match locked {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(refused(None)),
        Err(source) => Err(CliError::Input {
            what: path.to_string_lossy().into_owned(),
            source,
        }),
    }
}
