//! The configured connections, by name, with their clients.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::{Clients, ClusterClient, ConnectError, ConnectionSettings};
use crate::metrics::ApiRequests;
use crate::task::pods::ConnectionRef;

/// The connection of tasks that name none.
pub const DEFAULT_CONNECTION: &str = "kubernetes_default";

/// Every `[connections.NAME]` of the configuration, and the clients that were made from them.
#[derive(Debug, Clone)]
pub struct Connections {
    settings: watch::Receiver<BTreeMap<String, ConnectionSettings>>,
    clients: Clients,
}

/// Why there is no client for a task.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The configuration has no such section.
    #[error(
        "there is no connection {name:?}: add [connections.{name}] to the configuration, or correct kubernetes_conn_id"
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The cluster cannot be reached that way.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl Connections {
    /// The connections of a configuration.
    #[must_use]
    pub fn new(settings: BTreeMap<String, ConnectionSettings>) -> Self {
        // What nobody can change any more stays as it is.
        let (_, settings) = watch::channel(settings);
        Self::following(settings)
    }

    /// Connections whose settings may be replaced: whoever asks for a client after that gets one
    /// that is made from the new ones. Who has one already keeps it.
    #[must_use]
    pub fn following(settings: watch::Receiver<BTreeMap<String, ConnectionSettings>>) -> Self {
        Self {
            settings,
            clients: Clients::new(),
        }
    }

    /// The same connections, with clients of their own whose requests are counted in `asked`.
    #[must_use]
    pub fn counting(self, asked: ApiRequests) -> Self {
        Self {
            clients: Clients::counting(asked),
            ..self
        }
    }

    /// What the configuration says about a connection. The default one needs no section.
    ///
    /// # Errors
    /// [`ConnectionError::Unknown`] for any other name without a section.
    pub fn settings(&self, name: &str) -> Result<ConnectionSettings, ConnectionError> {
        match self.settings.borrow().get(name) {
            Some(settings) => Ok(settings.clone()),
            None if name == DEFAULT_CONNECTION => Ok(ConnectionSettings::default()),
            None => Err(ConnectionError::Unknown {
                name: name.to_owned(),
            }),
        }
    }

    /// The client of a task's connection, made at first use.
    ///
    /// # Errors
    /// [`ConnectionError`], in words for a person.
    pub async fn client(
        &self,
        connection: &ConnectionRef,
    ) -> Result<ClusterClient, ConnectionError> {
        let settings = self.settings(&connection.name)?;
        let client = self
            .clients
            .get(&connection.name, &settings, &connection.overrides)
            .await?;
        Ok(client)
    }
}
