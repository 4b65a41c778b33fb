//! What every command starts from: flags, settings, places, and the database that they name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::args::{Format, GlobalArgs};
use super::error::CliError;
use super::output::say;
use super::tasks::Tasks;
use crate::clock::Clock;
use crate::config::{self, Config, ConnectionSettings, Places};
use crate::operator::pod::PodOperatorSettings;
use crate::remote::Remote;
use crate::service::Service;
use crate::store::{Store, StoreError, shown};

/// The connection of tasks that name none.
const DEFAULT_CONNECTION: &str = "kubernetes_default";

/// The flags and settings that hold for this command.
pub(super) struct Situation {
    pub(super) global: GlobalArgs,
    pub(super) config: Config,
    pub(super) places: Places,
    pub(super) clock: Clock,
    /// The kubeconfig of the local cluster, once `--local` has found or started it.
    pub(super) local_kubeconfig: Option<PathBuf>,
    /// What long-lived parts follow when the settings are read again.
    pub(super) live: Live,
}

impl Situation {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong with the settings file or the environment.
    pub(super) fn read(global: GlobalArgs) -> Result<Self, CliError> {
        let places = Places::from_environment(|name| std::env::var_os(name).map(PathBuf::from));
        let config = read_settings(&global, &places)?;
        for (name, near) in config::misspelt_variables(&environment()) {
            say(format!(
                "warning: the environment variable {name} sets nothing, did you mean {near}?"
            ));
        }
        let situation = Self {
            global,
            config,
            places,
            clock: crate::failpoint::clock(),
            local_kubeconfig: None,
            live: Live::default(),
        };
        situation.tell_live();
        Ok(situation)
    }

    /// Reads the settings once more, as they were read at the start.
    ///
    /// # Errors
    /// What is wrong with the settings file or the environment.
    pub(super) fn settings_again(&self) -> Result<Config, CliError> {
        read_settings(&self.global, &self.places)
    }

    /// Hands what is set now to those who follow it.
    pub(super) fn tell_live(&self) {
        self.live.connections.send_replace(self.connections());
        self.live
            .pods
            .send_replace(super::engine_room::pod_settings(&self.config));
    }

    pub(super) fn format(&self) -> Format {
        self.global.output
    }

    /// Where the database is, and whether somebody said so.
    ///
    /// # Errors
    /// When nobody did and there is no home directory.
    pub(super) fn database(&self) -> Result<(PathBuf, bool), CliError> {
        let said = self
            .global
            .db
            .clone()
            .or_else(|| path_variable("ADJOURN_DB"))
            .or_else(|| self.config.store.path.clone());
        if let Some(path) = said {
            return Ok((path, true));
        }
        let path = self.places.database().ok_or_else(|| {
            CliError::Usage(
                "there is no home directory to keep the database in; give a place with --db PATH"
                    .to_owned(),
            )
        })?;
        Ok((path, false))
    }

    /// The service over the database, which is made if there is none.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn service(&self) -> Result<Service, CliError> {
        let (path, _) = self.database()?;
        let store = Store::open(&path, self.clock.now()).await?;
        Ok(self.over(store))
    }

    /// The service over the database; none when there is no database yet and nobody said where
    /// it should be.
    ///
    /// # Errors
    /// [`CliError::NotFound`] when somebody did say; else what the store says.
    pub(super) async fn existing_service(&self) -> Result<Option<Service>, CliError> {
        let (path, said) = self.database()?;
        match Store::open_existing(&path, self.clock.now()).await {
            Ok(store) => Ok(Some(self.over(store))),
            Err(StoreError::Place { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                if said {
                    Err(no_database(&path))
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The service over a database that must be there.
    ///
    /// # Errors
    /// [`CliError::NotFound`] when it is not; else what the store says.
    pub(super) async fn needed_service(&self) -> Result<Service, CliError> {
        let (path, _) = self.database()?;
        self.existing_service()
            .await?
            .ok_or_else(|| no_database(&path))
    }

    /// The daemon that is to be asked, if one is: `--server`, or ADJOURN_SERVER where no database
    /// is named.
    ///
    /// # Errors
    /// What is wrong with its URL or the token.
    pub(super) fn remote(&self) -> Result<Option<Remote>, CliError> {
        let said = match (&self.global.server, &self.global.db) {
            (Some(server), _) => Some(server.clone()),
            (None, Some(_)) => None,
            (None, None) => text_variable("ADJOURN_SERVER"),
        };
        let Some(server) = said else {
            return Ok(None);
        };
        let token = match &self.global.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| CliError::Input {
                    what: format!("the token file {}", path.display()),
                    source,
                })?;
                Some(text)
            }
            None => text_variable("ADJOURN_TOKEN"),
        };
        Ok(Some(Remote::new(&server, token.as_deref())?))
    }

    /// Refuses what is done to a database itself where a daemon is to be asked.
    ///
    /// # Errors
    /// [`CliError::Usage`].
    pub(super) fn refuse_server(&self, command: &str, instead: &str) -> Result<(), CliError> {
        if self.remote()?.is_none() {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "adjourn {command} works on a database itself and not through a daemon: {instead}"
        )))
    }

    /// The tasks; a database is made if there is none.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn tasks(&self) -> Result<Tasks, CliError> {
        match self.remote()? {
            Some(remote) => Ok(Tasks::There(remote)),
            None => Ok(Tasks::Here(self.service().await?)),
        }
    }

    /// The tasks; none when there is no database yet and nobody said where it should be.
    ///
    /// # Errors
    /// As [`Situation::existing_service`].
    pub(super) async fn existing_tasks(&self) -> Result<Option<Tasks>, CliError> {
        match self.remote()? {
            Some(remote) => Ok(Some(Tasks::There(remote))),
            None => Ok(self.existing_service().await?.map(Tasks::Here)),
        }
    }

    /// The tasks of a database that must be there, or of a daemon.
    ///
    /// # Errors
    /// As [`Situation::needed_service`].
    pub(super) async fn needed_tasks(&self) -> Result<Tasks, CliError> {
        match self.remote()? {
            Some(remote) => Ok(Tasks::There(remote)),
            None => Ok(Tasks::Here(self.needed_service().await?)),
        }
    }

    fn over(&self, store: Store) -> Service {
        let operators = super::engine_room::operators(self);
        Service::new(store, operators, self.clock.clone())
    }

    /// The connections that tasks may name, with what the flags say about all of them.
    pub(super) fn connections(&self) -> BTreeMap<String, ConnectionSettings> {
        let mut connections = self.config.connections.clone();
        connections
            .entry(DEFAULT_CONNECTION.to_owned())
            .or_default();
        let kubeconfig = self
            .local_kubeconfig
            .as_ref()
            .or(self.global.kubeconfig.as_ref());
        for settings in connections.values_mut() {
            if let Some(path) = kubeconfig {
                settings.in_cluster = None;
                settings.kube_config = None;
                settings.kube_config_path = Some(path.clone());
                settings.cluster_context = None;
            }
            if let Some(context) = &self.global.context {
                settings.cluster_context = Some(context.clone());
            }
        }
        connections
    }

    /// The flags that a later command needs in order to find the same tasks and cluster.
    pub(super) fn flags_again(&self) -> String {
        let mut text = String::new();
        // A password stays where it was read: a command is shown, and is seen by others.
        let database = self.global.db.as_deref().map(shown);
        let paths = [
            ("--config", &self.global.config),
            ("--db", &database),
            ("--kubeconfig", &self.global.kubeconfig),
        ];
        for (flag, path) in paths {
            if let Some(path) = path {
                text.push_str(&format!(" {flag} {}", quoted(&path.to_string_lossy())));
            }
        }
        if let Some(context) = &self.global.context {
            text.push_str(&format!(" --context {}", quoted(context)));
        }
        if self.global.local {
            text.push_str(" --local");
        }
        text
    }
}

/// What long-lived parts follow when the settings are read again.
#[derive(Default)]
pub(super) struct Live {
    pub(super) connections: watch::Sender<BTreeMap<String, ConnectionSettings>>,
    pub(super) pods: watch::Sender<PodOperatorSettings>,
}

fn read_settings(global: &GlobalArgs, places: &Places) -> Result<Config, CliError> {
    let file = settings_file(global, places)?;
    let file = file
        .as_ref()
        .map(|(origin, text)| (origin.as_str(), text.as_str()));
    Ok(config::from_sources(file, &environment())?)
}

fn no_database(path: &Path) -> CliError {
    CliError::NotFound(format!(
        "there is no database {}; `adjourn submit` and `adjourn run` make one, or give another with --db PATH",
        shown(path).display()
    ))
}

/// The variables that are ours. Others may hold anything, even what is not text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("ADJOURN_"))
        .collect()
}

fn text_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn path_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The name and the text of the settings file, if there is one.
fn settings_file(
    global: &GlobalArgs,
    places: &Places,
) -> Result<Option<(String, String)>, CliError> {
    let named = global
        .config
        .clone()
        .or_else(|| path_variable("ADJOURN_CONFIG"));
    if let Some(path) = named {
        return match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((path.display().to_string(), text))),
            Err(source) => Err(CliError::SettingsFile { path, source }),
        };
    }
    for path in places.settings_files() {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path.display().to_string(), text))),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(CliError::SettingsFile { path, source }),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
