//! Everything that the command line asks of the engine, the operators and their clusters.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::error::{CliError, sentence};
use super::situation::Situation;
use crate::config::Config;
use crate::doctor::Doctor;
use crate::engine::{Engine, EngineOptions, EngineSettings, live_daemon};
use crate::operator::Operators;
use crate::operator::pod::{self, PodOperator, PodOperatorSettings};
use crate::pod::client::{ConnectError, ConnectionError, Connections};
use crate::pod::watch::PodWatchHub;
use crate::service::Service;
use crate::store::{EngineKind, EngineLimits, Scope};
use crate::task::file::TaskFile;
use crate::task::pods::ConnectionRef;
use crate::trigger::Triggers;
use crate::trigger::pod::PodTriggers;

/// The operators that tasks can name.
pub(super) fn operators(situation: &Situation) -> Operators {
    operators_on(situation, &connections(situation))
}

/// The clusters of the settings, also after these were read again.
fn connections(situation: &Situation) -> Connections {
    Connections::following(situation.live.connections.subscribe())
}

fn operators_on(situation: &Situation, connections: &Connections) -> Operators {
    let settings = situation.live.pods.subscribe();
    let operator = PodOperator::following(connections.clone(), settings);
    Operators::default().with(pod::KIND, Arc::new(operator))
}

/// What the settings say about all pods.
pub(super) fn pod_settings(config: &Config) -> PodOperatorSettings {
    PodOperatorSettings {
        template_env: template_environment(config),
        log_read_bytes: bound(config.task_log.read_bytes),
    }
}

/// The environment variables that templates may read, as far as they are set.
pub(super) fn template_environment(config: &Config) -> BTreeMap<String, String> {
    config
        .templates
        .allowed_env
        .iter()
        .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)))
        .collect()
}

/// Starts an engine over the service's store; answers it, and what it sees of its pods.
///
/// # Errors
/// What the store says.
pub(super) async fn start(
    situation: &Situation,
    service: &Service,
    kind: EngineKind,
    scope: Scope,
) -> Result<(Engine, PodWatchHub), CliError> {
    let asked = service.store().metrics().api_requests.clone();
    // The local cluster may have been found since the settings were read.
    situation.tell_live();
    let connections = connections(situation).counting(asked);
    let operators = operators_on(situation, &connections);
    let pods = PodTriggers::new(connections.clone(), service.store().installation());
    let hub = pods.hub().clone();
    let options = EngineOptions {
        triggers: Triggers::built_in(pods),
        clock: situation.clock.clone(),
        kind,
        scope,
        settings: settings(&situation.config),
        ..EngineOptions::new(service.store().clone(), operators, connections)
    };
    Ok((Engine::start(options).await?, hub))
}

/// What the settings say about an engine.
pub(super) fn settings(config: &Config) -> EngineSettings {
    EngineSettings {
        slots: config.worker.slots,
        lease: Duration::from_secs(config.worker.lease_seconds),
        look: Duration::from_millis(config.worker.look_milliseconds),
        shutdown_grace: Duration::from_secs(config.worker.shutdown_grace_seconds),
        disposals: config.janitor.disposals,
        limits: EngineLimits {
            max_active_pods: bound(config.worker.max_active_pods),
            pods_per_second: bound(config.worker.pods_per_second),
        },
        retention: retention(config),
        log_bytes: bound(config.task_log.max_bytes),
    }
}

/// The doctor for the service's store and every cluster that its tasks name.
pub(super) fn doctor(situation: &Situation, service: &Service) -> Doctor {
    let connections = Connections::new(situation.connections());
    let store = service.store().clone();
    let pods = PodTriggers::new(connections.clone(), store.installation());
    Doctor {
        operators: operators_on(situation, &connections),
        triggers: Triggers::built_in(pods),
        clock: situation.clock.clone(),
        connections,
        store,
    }
}

/// After how long a task that has ended is removed.
pub(super) fn retention(config: &Config) -> Option<Duration> {
    let days = bound(u64::from(config.janitor.retention_days))?;
    Some(Duration::from_secs(days * 24 * 60 * 60))
}

/// A bound; 0 stands for none.
fn bound<N: PartialEq + From<u8>>(number: N) -> Option<N> {
    (number != N::from(0)).then_some(number)
}

/// The daemon that works on the service's store, if one is alive: its pid, if that is known.
///
/// # Errors
/// What the store says.
pub(super) async fn daemon(
    situation: &Situation,
    service: &Service,
) -> Result<Option<Option<u32>>, CliError> {
    let daemon = live_daemon(service.store(), situation.clock.now()).await?;
    Ok(daemon.map(|(_, pid)| pid))
}

/// Whether any engine is alive on the service's store, as far as its signs of life tell.
///
/// # Errors
/// What the store says.
pub(super) async fn somebody_works(
    service: &Service,
    situation: &Situation,
) -> Result<bool, CliError> {
    let now = situation.clock.now();
    let engines = service.store().engines().await?;
    Ok(engines.iter().any(|engine| engine.alive_until > now))
}

/// Makes sure that every cluster that `tasks` name answers, before anything is begun there.
///
/// # Errors
/// [`CliError::Unreachable`], in words for a person.
pub(super) async fn reach(situation: &Situation, tasks: &[TaskFile]) -> Result<(), CliError> {
    let connections = Connections::new(situation.connections());
    let named: HashSet<ConnectionRef> = tasks.iter().map(pod::connection_of).collect();
    for connection in named {
        let client = connections
            .client(&connection)
            .await
            .map_err(|error| no_client(&connection.name, &error))?;
        client
            .ping()
            .await
            .map_err(|error| CliError::Unreachable(sentence(&error)))?;
    }
    Ok(())
}

fn no_client(name: &str, error: &ConnectionError) -> CliError {
    let words = sentence(error);
    match error {
        ConnectionError::Unknown { .. } => CliError::Usage(words),
        ConnectionError::Connect(ConnectError::NothingConfigured { .. }) => {
            CliError::Unreachable(format!("{words} (--kubeconfig PATH, --local)"))
        }
        ConnectionError::Connect(_) => CliError::Unreachable(format!("connection {name}: {words}")),
    }
}
