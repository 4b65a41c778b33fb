//! A cluster, ready to be asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::limits::ClusterLimits;
use super::source::{Prepared, Surroundings};
use super::{ConnectError, ConnectionSettings};

/// Tells two clients apart in maps; never reused within a process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A cluster, ready to be asked. Cheap to clone; all clones share their TCP connections.
#[derive(Clone)]
pub struct ClusterClient {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) settings: ConnectionSettings,
    pub(super) origin: String,
    pub(super) server: String,
    pub(super) namespace: String,
    pub(super) in_cluster: bool,
    pub(super) timeout: Duration,
    /// Replaced as a whole when the credentials are read again.
    pub(super) kube: RwLock<kube::Client>,
    pub(super) refreshed: tokio::sync::Mutex<Option<tokio::time::Instant>>,
    pub(super) requests: AtomicU64,
    pub(super) limits: Arc<ClusterLimits>,
}

impl std::fmt::Debug for ClusterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClient")
            .field("server", &self.shared.server)
            .field("origin", &self.shared.origin)
            .field("namespace", &self.shared.namespace)
            .finish_non_exhaustive()
    }
}

impl ClusterClient {
    /// Reads the settings' kubeconfig (or service account) and prepares a client.
    ///
    /// Does not touch the network: a cluster that is down for a moment is no reason not to
    /// start. [`ClusterClient::ping`] asks whether it is there. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When no kubeconfig is found, or it cannot be read, or names no such context.
    pub async fn connect(settings: &ConnectionSettings) -> Result<Self, ConnectError> {
        Self::connect_within(settings, |_| Arc::new(ClusterLimits::of(settings))).await
    }

    /// As [`ClusterClient::connect`], within limits that may be shared with others on the same
    /// server.
    pub(super) async fn connect_within(
        settings: &ConnectionSettings,
        limits: impl FnOnce(&str) -> Arc<ClusterLimits>,
    ) -> Result<Self, ConnectError> {
        let prepared = Prepared::new(settings, &Surroundings::of_this_process()).await?;
        let kube = prepared.client().await?;
        let limits = limits(&prepared.server());
        Ok(Self {
            shared: Arc::new(Shared {
                id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
                settings: settings.clone(),
                server: prepared.server(),
                namespace: settings
                    .namespace
                    .clone()
                    .filter(|namespace| !namespace.is_empty())
                    .unwrap_or_else(|| prepared.config.default_namespace.clone()),
                in_cluster: prepared.in_cluster,
                origin: prepared.origin,
                timeout: settings.request_timeout(),
                kube: RwLock::new(kube),
                refreshed: tokio::sync::Mutex::new(None),
                requests: AtomicU64::new(0),
                limits,
            }),
        })
    }

    /// A client of the same process is the same client exactly when their ids are equal.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// The namespace of pods that name none: the connection's, the context's, the service
    /// account's, or `default`.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        &self.shared.namespace
    }

    /// Whether the service account of the pod that this process runs in is used.
    #[must_use]
    pub fn in_cluster(&self) -> bool {
        self.shared.in_cluster
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// Where the settings came from, for a person: a path, or `the service account`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// How long one request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.shared.timeout
    }

    /// How many requests this client has sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Waits until one more log may be read from this cluster. To be held while it is read.
    pub(crate) async fn may_read_log(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        let logs = Arc::clone(&self.shared.limits.log_reads);
        logs.acquire_owned().await.ok()
    }

    /// The client underneath, for what is not wrapped here (exec). It has the credentials of
    /// this moment, so ask again instead of keeping it.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        self.shared
            .kube
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the credentials again, at most once in ten seconds. Says whether it did.
    ///
    /// A token in a kubeconfig is replaced from outside (a login helper, a rotated secret); the
    /// client underneath keeps the one that it was made with.
    pub(super) async fn refresh_credentials(&self) -> bool {
        const AT_MOST_EVERY: Duration = Duration::from_secs(10);
        let mut refreshed = self.shared.refreshed.lock().await;
        let now = tokio::time::Instant::now();
        if refreshed.is_some_and(|last| now.duration_since(last) < AT_MOST_EVERY) {
            return false;
        }
        *refreshed = Some(now);
        let prepared = Prepared::new(&self.shared.settings, &Surroundings::of_this_process()).await;
        let made = match prepared {
            Ok(prepared) => prepared.client().await,
            Err(error) => Err(error),
        };
        match made {
            Ok(kube) => {
                *self
                    .shared
                    .kube
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = kube;
                tracing::info!(server = %self.shared.server, "credentials read again");
                true
            }
            Err(error) => {
                tracing::warn!(server = %self.shared.server, %error, "credentials cannot be read again");
                false
            }
        }
    }
}
