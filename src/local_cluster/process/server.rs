//! The server's own process.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use nix::unistd::setsid;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::control;
use super::credentials::Credentials;
use super::dir::{ClusterDir, lock_file, write_private};
use super::info::{ClusterInfo, Settings};
use crate::local_cluster::api::{self, Api};
use crate::local_cluster::node::{IsolationChoice, Node, NodeConfig};
use crate::local_cluster::objects::{Objects, Resource};

/// The exit code for arguments that nobody but a person can have given.
const MISUSED: u8 = 2;

/// Runs the server of the cluster that `arguments` name, until it is told to stop.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let [dir, settings] = arguments else {
        complain("this command is for the local cluster's own use; try `cluster start` instead");
        return ExitCode::from(MISUSED);
    };
    // Away from the terminal of whoever started us; already so if we lead a session.
    let _ = setsid();
    match run_in(&ClusterDir::new(dir), settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the local cluster's server cannot run: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Ends the containers of the cluster that `arguments` name, whose server is gone.
pub(super) fn end(arguments: &[OsString]) -> ExitCode {
    let [dir] = arguments else {
        complain("this command is for the local cluster's own use; try `cluster stop` instead");
        return ExitCode::from(MISUSED);
    };
    let dir = ClusterDir::new(dir);
    let ended = lock(&dir).and_then(|_lock| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let config = node_config(&dir, &Settings::default())?;
            let objects = Objects::open(dir.path()).map_err(io::Error::other)?;
            // On this one thread the node's own tasks have not begun when they are ended: there
            // are only containers to end.
            Node::start(objects, config).await?.shutdown().await
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the local cluster's containers are left: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Takes the lock that makes a process the one server of a cluster.
fn lock(dir: &ClusterDir) -> io::Result<File> {
    let lock = lock_file(&dir.server_lock())?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("it runs already")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

fn run_in(dir: &ClusterDir, settings: &OsString) -> io::Result<()> {
    let settings: Settings = serde_json::from_slice(settings.as_encoded_bytes())?;
    let lock = lock(dir)?;
    write_private(
        &dir.program(),
        std::env::current_exe()?.as_os_str().as_encoded_bytes(),
    )?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(live(dir, settings));
    drop(runtime);
    // Held until everything of ours has ended: the next server waits for it.
    drop(lock);
    result
}

async fn live(dir: &ClusterDir, settings: Settings) -> io::Result<()> {
    let credentials = Credentials::load_or_create(dir)?;
    let objects = Objects::open(dir.path()).map_err(io::Error::other)?;
    if let Some(changes) = settings.watch_history {
        objects.keep_history(changes);
    }
    let listener = bind(&dir.port()).await?;
    let server = format!("https://{}", listener.local_addr()?);
    // Ends the API; the pods' processes are ended only when the owner wishes it.
    let stopping = CancellationToken::new();
    let asked = CancellationToken::new();
    let node = Node::start(objects.clone(), node_config(dir, &settings)?).await?;
    let api = Api::new(
        objects.clone(),
        node.clone(),
        credentials.token.clone(),
        stopping.clone(),
        settings.faults,
    )
    .map_err(io::Error::other)?;
    write_private(
        &dir.kubeconfig(),
        credentials.kubeconfig(&server).as_bytes(),
    )?;
    let started_at = started_at();
    let info = {
        let (objects, kubeconfig) = (objects.clone(), dir.kubeconfig());
        let isolation = node.isolation();
        let settings = settings.clone();
        move || ClusterInfo {
            kubeconfig: kubeconfig.clone(),
            server: server.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            isolation: isolation.clone(),
            pods: objects.count(Resource::Pod),
            settings: settings.clone(),
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(api::serve(
        Arc::new(api),
        listener,
        TlsAcceptor::from(credentials.tls),
    ));
    let mut terminate = signal(SignalKind::terminate())?;
    // Opened last: whoever is answered finds everything running.
    let control = control::answer(control::listen(dir)?, info, asked.clone());
    tokio::select! {
        () = control => {}
        _ = terminate.recv() => tracing::info!("told to terminate: containers are left running"),
        Some(ended) = tasks.join_next() => {
            ended.map_err(io::Error::other)??;
        }
    }
    stopping.cancel();
    while tasks.join_next().await.is_some() {}
    if asked.is_cancelled() {
        node.shutdown().await?;
    }
    Ok(())
}

fn node_config(dir: &ClusterDir, settings: &Settings) -> io::Result<NodeConfig> {
    let mut config = NodeConfig::new(dir.node(), std::env::current_exe()?);
    config.hidden.push(dir.path().to_owned());
    config.images = settings.images.clone();
    config.simulate = settings.simulate;
    if settings.plain_processes {
        config.isolation = IsolationChoice::Plain;
    }
    Ok(config)
}

/// The port of the last time, so that clients that know it find the cluster again; another one
/// if it is taken.
async fn bind(remembered: &Path) -> io::Result<TcpListener> {
    let port = fs::read_to_string(remembered)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok())
        .unwrap_or(0);
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(_) if port != 0 => TcpListener::bind(("127.0.0.1", 0)).await?,
        Err(error) => return Err(error),
    };
    write_private(
        remembered,
        listener.local_addr()?.port().to_string().as_bytes(),
    )?;
    Ok(listener)
}

fn started_at() -> DateTime<Utc> {
    DateTime::from_timestamp(jiff::Timestamp::now().as_second(), 0).unwrap_or_default()
}
