//! `adjourn serve`: the daemon.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::notify::{self, notify};
use super::output::say;
use super::reload::reload;
use super::run::let_go;
use super::signals::{Hangup, Hangups, Signals};
use super::situation::Situation;
use super::{api, engine_room, exit, local};
use crate::service::Service;
use crate::store::{EngineKind, Scope, is_on_server};
use crate::telemetry::Telemetry;

/// Work on every task of the database until told to stop
///
/// The first SIGTERM or Ctrl-C lets go in good order: claims are released, waiting tasks stay as
/// they are, pods are left alone. The second ends it at once. Nothing is lost either way.
/// SIGHUP reads the settings again.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where the HTTP API answers: ADDRESS:PORT, or none
    ///
    /// Port 0 takes any that is free; the line that says that serve is ready tells which. Without
    /// this it is 127.0.0.1:8470, unless something else has that port already.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Certificates for HTTPS, as a PEM file
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificates' key, as a PEM file
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

pub(super) async fn run(
    args: ServeArgs,
    situation: &mut Situation,
    telemetry: &Telemetry,
) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let mut hangups = Hangups::listen()?;
    let wanted = api::Wanted {
        listen: args.listen,
        tls: args.tls_cert.zip(args.tls_key),
    };
    let service = situation.service().await?;
    let _alone = alone(situation, &service).await?;
    let server = api::start(wanted, situation, &service).await?;
    let engine = tokio::select! {
        started = start(situation, &service) => started?,
        () = signals.next() => return Ok(exit::SUCCESS),
    };
    if let Some(server) = &server {
        server.ready();
    }
    say(format!(
        "adjourn serve: ready (pid {}, db {}, {} slots{})",
        std::process::id(),
        service.store().path().display(),
        situation.config.worker.slots,
        server.as_ref().map(api::place).unwrap_or_default()
    ));
    notify(notify::READY);
    loop {
        tokio::select! {
            () = signals.next() => break,
            hangup = hangups.next() => match hangup {
                Hangup::ReadAgain => {
                    notify(notify::RELOADING);
                    reload(situation, telemetry, &engine, server.as_ref());
                    notify(notify::READY);
                }
                Hangup::TerminalGone => break,
            },
        }
    }
    notify(notify::STOPPING);
    tracing::info!("stopping: letting go of what is being worked on");
    if let Some(server) = server {
        server.stop().await;
    }
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
    let (engine, _) = engine_room::start(situation, service, EngineKind::Serve, Scope::All).await?;
    Ok(engine)
}

/// Makes sure that this is the only daemon on the database, for as long as the file is held. On a
/// server there may be several.
async fn alone(situation: &Situation, service: &Service) -> Result<Option<File>, CliError> {
    let database = service.store().path();
    if is_on_server(database) {
        return Ok(None);
    }
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
        Ok(Some(file)) => Ok(Some(file)),
        Ok(None) => Err(refused(None)),
        Err(source) => Err(CliError::Input {
            what: path.to_string_lossy().into_owned(),
            source,
        }),
    }
}
