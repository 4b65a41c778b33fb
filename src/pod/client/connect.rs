//! From settings to a client: which kubeconfig, which context, and what to tell a person when
//! that fails.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::Value;
use thiserror::Error;

use super::{ApiError, ConnectionSettings};

/// How long the TCP and TLS handshakes may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells two clients apart in maps; never reused within a process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Why there is no client for a connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Two sources at once.
    #[error("{0} exclude each other: keep one of them")]
    Conflicting(&'static str),
    /// No source at all.
    #[error(
        "no cluster is configured: {}; set KUBECONFIG, name a kubeconfig, or use the local cluster",
        looked_at(.looked)
    )]
    NothingConfigured {
        /// Which files were looked for.
        looked: Vec<PathBuf>,
    },
    /// The kubeconfig that was named does not exist or may not be read.
    #[error("cannot read the kubeconfig {}: check the path and its permissions", .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// The kubeconfig is there but makes no sense.
    #[error("{origin} is not a usable kubeconfig: {problem}")]
    BadKubeconfig {
        /// Where it came from.
        origin: String,
        /// What is wrong with it, without its contents: they are secret.
        problem: String,
    },
    /// The kubeconfig has no context of that name.
    #[error("{origin} has no context {context:?}: {}", known_contexts(.known))]
    NoSuchContext {
        /// Where the kubeconfig came from.
        origin: String,
        /// The context that was asked for.
        context: String,
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// No context was named and the kubeconfig has no current one.
    #[error("{origin} names no current context: {}", known_contexts(.known))]
    NoCurrentContext {
        /// Where the kubeconfig came from.
        origin: String,
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// `in_cluster` was asked for outside of a pod.
    #[error("in_cluster is set, but this process runs in no pod with a service account: {problem}")]
    NotInCluster {
        /// What is missing.
        problem: String,
    },
    /// TLS or the login could not be set up.
    #[error("cannot set up the connection to {server} from {origin}: {problem}")]
    Setup {
        /// Where the settings came from.
        origin: String,
        /// The API server's address.
        server: String,
        /// What is wrong.
        problem: String,
    },
    /// The server does not answer, or not as an API server.
    #[error(
        "cannot reach the API server {server} ({origin}): check that it runs and that this machine may reach it"
    )]
    Unreachable {
        /// Where the settings came from.
        origin: String,
        /// The API server's address.
        server: String,
        /// What happened.
        #[source]
        source: Box<ApiError>,
    },
}

fn looked_at(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "there is no home directory to look for .kube/config in".to_owned();
    }
    let paths: Vec<String> = looked
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!("there is no {}", paths.join(", "))
}

fn known_contexts(known: &[String]) -> String {
    if known.is_empty() {
        "it has none at all".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    }
}

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
        let prepared = Prepared::new(settings, &Surroundings::of_this_process()).await?;
        let kube = prepared.client()?;
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
        match prepared.and_then(|prepared| prepared.client()) {
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

/// What the usual places depend on.
struct Surroundings {
    kubeconfig: Option<OsString>,
    home: Option<PathBuf>,
    has_service_account: bool,
}

impl Surroundings {
    fn of_this_process() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::home_dir(),
            has_service_account: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").exists(),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Source {
    InCluster,
    Files(Vec<PathBuf>),
    Inline(Value),
}

fn choose(settings: &ConnectionSettings, around: &Surroundings) -> Result<Source, ConnectError> {
    match (
        settings.in_cluster == Some(true),
        &settings.kube_config_path,
        &settings.kube_config,
    ) {
        (true, Some(_), _) => {
            return Err(ConnectError::Conflicting(
                "in_cluster and a kubeconfig file",
            ));
        }
        (true, None, Some(_)) => {
            return Err(ConnectError::Conflicting(
                "in_cluster and an inline kubeconfig",
            ));
        }
        (false, Some(_), Some(_)) => {
            return Err(ConnectError::Conflicting(
                "a kubeconfig file and an inline kubeconfig",
            ));
        }
        (true, None, None) => return Ok(Source::InCluster),
        (false, Some(path), None) => return Ok(Source::Files(vec![at_home(path, around)])),
        (false, None, Some(inline)) => return Ok(Source::Inline(inline.clone())),
        (false, None, None) => {}
    }
    let listed: Vec<PathBuf> = around
        .kubeconfig
        .as_ref()
        .map(|value| {
            std::env::split_paths(value)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    if !listed.is_empty() {
        // Several files are merged, and those that do not exist are left out.
        let present: Vec<PathBuf> = listed
            .iter()
            .filter(|path| path.exists())
            .cloned()
            .collect();
        return if present.is_empty() {
            Err(ConnectError::NothingConfigured { looked: listed })
        } else {
            Ok(Source::Files(present))
        };
    }
    if around.has_service_account
        && settings.in_cluster.is_none()
        && settings.cluster_context.is_none()
    {
        return Ok(Source::InCluster);
    }
    let looked: Vec<PathBuf> = around
        .home
        .iter()
        .map(|home| home.join(".kube").join("config"))
        .collect();
    match looked.first() {
        Some(path) if path.exists() => Ok(Source::Files(looked)),
        _ => Err(ConnectError::NothingConfigured { looked }),
    }
}

fn at_home(path: &Path, around: &Surroundings) -> PathBuf {
    match (path.strip_prefix("~"), &around.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

struct Prepared {
    config: kube::Config,
    origin: String,
    in_cluster: bool,
}

impl Prepared {
    async fn new(
        settings: &ConnectionSettings,
        around: &Surroundings,
    ) -> Result<Self, ConnectError> {
        let (mut config, origin, in_cluster) = match choose(settings, around)? {
            Source::InCluster => {
                let config =
                    kube::Config::incluster().map_err(|error| ConnectError::NotInCluster {
                        problem: error.to_string(),
                    })?;
                (config, "the service account".to_owned(), true)
            }
            Source::Files(paths) => {
                let origin = paths
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
                    .join(":");
                let mut merged = Kubeconfig::default();
                for path in &paths {
                    merged = merged
                        .merge(read_file(path)?)
                        .map_err(|error| bad_kubeconfig(&origin, &error))?;
                }
                (
                    from_kubeconfig(merged, settings, &origin).await?,
                    origin,
                    false,
                )
            }
            Source::Inline(value) => {
                let origin = "the connection's kube_config".to_owned();
                let parsed = match value {
                    Value::String(text) => Kubeconfig::from_yaml(&text)
                        .map_err(|error| bad_kubeconfig(&origin, &error)),
                    other => {
                        serde_json::from_value(other).map_err(|_| ConnectError::BadKubeconfig {
                            origin: origin.clone(),
                            problem: "a key has a value of the wrong type".to_owned(),
                        })
                    }
                }?;
                (
                    from_kubeconfig(parsed, settings, &origin).await?,
                    origin,
                    false,
                )
            }
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // Streams are quiet for long; each reader bounds its own silence.
        config.read_timeout = None;
        // Retries are ours: they must see Retry-After and end with the request's deadline.
        config.default_retry = false;
        if settings.verify_ssl == Some(false) {
            config.accept_invalid_certs = true;
        }
        if is_loopback(&config.cluster_url) {
            // A proxy of the environment cannot reach this machine's own loopback.
            config.proxy_url = None;
        }
        Ok(Self {
            config,
            origin,
            in_cluster,
        })
    }

    fn server(&self) -> String {
        self.config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }

    fn client(&self) -> Result<kube::Client, ConnectError> {
        kube::Client::try_from(self.config.clone()).map_err(|error| ConnectError::Setup {
            origin: self.origin.clone(),
            server: self.server(),
            problem: login_problem(&error),
        })
    }
}

/// What is wrong with TLS or the login, without what a login program printed: it prints tokens.
pub(super) fn login_problem(error: &kube::Error) -> String {
    if let kube::Error::Auth(kube::client::AuthError::AuthExecRun { cmd, out }) = error {
        return format!(
            "the login program {cmd:?} ended with {}: run it by hand to see why",
            out.status
        );
    }
    error.to_string()
}

fn is_loopback(url: &http::Uri) -> bool {
    url.host().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn read_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) => ConnectError::UnreadableFile { path, source },
        other => bad_kubeconfig(&path.display().to_string(), &other),
    })
}

fn bad_kubeconfig(origin: &str, error: &KubeconfigError) -> ConnectError {
    let problem = match error {
        // The parser's message quotes the lines around the error, and they may hold a token.
        KubeconfigError::Parse(_) => {
            "it is not valid YAML, or a key has a value of the wrong type".to_owned()
        }
        other => other.to_string(),
    };
    ConnectError::BadKubeconfig {
        origin: origin.to_owned(),
        problem,
    }
}

async fn from_kubeconfig(
    kubeconfig: Kubeconfig,
    settings: &ConnectionSettings,
    origin: &str,
) -> Result<kube::Config, ConnectError> {
    let known: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let wanted = settings
        .cluster_context
        .clone()
        .filter(|context| !context.is_empty())
        .or_else(|| {
            kubeconfig
                .current_context
                .clone()
                .filter(|context| !context.is_empty())
        });
    let Some(context) = wanted else {
        return Err(ConnectError::NoCurrentContext {
            origin: origin.to_owned(),
            known,
        });
    };
    if !known.contains(&context) {
        return Err(ConnectError::NoSuchContext {
            origin: origin.to_owned(),
            context,
            known,
        });
    }
    let options = KubeConfigOptions {
        context: Some(context),
        ..KubeConfigOptions::default()
    };
    kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| bad_kubeconfig(origin, &error))
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
