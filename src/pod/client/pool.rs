//! One client per distinct connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use tokio::sync::Mutex;

use super::limits::ClusterLimits;
use super::{ClusterClient, ConnectError, ConnectionOverrides, ConnectionSettings};
use crate::metrics::ApiRequests;

/// Hands out clients: the same one for the same connection and overrides.
///
/// Cheap to clone; all clones share the clients.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    known: Arc<Mutex<HashMap<Key, Known>>>,
    /// By server: a task with a kubeconfig of its own has a client of its own, and the cluster
    /// is still the same. Connections that disagree about the bounds do not share them.
    limits: Arc<StdMutex<HashMap<LimitsKey, Arc<ClusterLimits>>>>,
    asked: ApiRequests,
}

type Key = (String, ConnectionOverrides);

/// The server's address and the bounds.
type LimitsKey = (String, usize, usize);

#[derive(Debug)]
struct Known {
    /// What the client was made from. Changed settings (a reloaded config) make a new client.
    settings: ConnectionSettings,
    client: ClusterClient,
}

impl Clients {
    /// No clients yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No clients yet; what they ask is counted in `asked`.
    #[must_use]
    pub fn counting(asked: ApiRequests) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    /// The client of the connection `name`, made at first use.
    ///
    /// # Errors
    ///
    /// As [`ClusterClient::connect`]. A failure is not remembered: the next call tries again.
    pub async fn get(
        &self,
        name: &str,
        settings: &ConnectionSettings,
        overrides: &ConnectionOverrides,
    ) -> Result<ClusterClient, ConnectError> {
        let settings = settings.with_overrides(overrides);
        let key = (name.to_owned(), overrides.clone());
        // Held across the connect, so that a thousand tasks that start at once share one login.
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(&key)
            && found.settings == settings
        {
            return Ok(found.client.clone());
        }
        let client =
            ClusterClient::connect_within(&settings, |server| self.limits(server, &settings))
                .await?;
        known.insert(
            key,
            Known {
                settings,
                client: client.clone(),
            },
        );
        Ok(client)
    }

    fn limits(&self, server: &str, settings: &ConnectionSettings) -> Arc<ClusterLimits> {
        let key = (
            server.to_owned(),
            settings.requests_at_once(),
            settings.log_reads_at_once(),
        );
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = limits
            .entry(key)
            .or_insert_with(|| Arc::new(ClusterLimits::of(settings).counting(self.asked.clone())));
        Arc::clone(shared)
    }
}
