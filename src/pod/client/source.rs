//! Which kubeconfig, which context: from settings to a configuration of the client.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::Value;

use super::proxy::goes_direct;
use super::{ConnectError, ConnectionSettings};

/// How long the TCP and TLS handshakes may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the usual places depend on.
pub(super) struct Surroundings {
    kubeconfig: Option<OsString>,
    home: Option<PathBuf>,
    has_service_account: bool,
    no_proxy: Option<String>,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::home_dir(),
            has_service_account: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").exists(),
            no_proxy: std::env::var("NO_PROXY")
                .or_else(|_| std::env::var("no_proxy"))
                .ok(),
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

pub(super) struct Prepared {
    pub(super) config: kube::Config,
    pub(super) origin: String,
    pub(super) in_cluster: bool,
}

impl Prepared {
    pub(super) async fn new(
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
                    from_kubeconfig(merged, settings, around, &origin).await?,
                    origin,
                    false,
                )
            }
            Source::Inline(value) => {
                let origin = "the connection's kube_config".to_owned();
                let parsed = if let Value::String(text) = &value {
                    Kubeconfig::from_yaml(text).map_err(|error| bad_kubeconfig(&origin, &error))?
                } else {
                    serde_json::from_value(value).map_err(|_| ConnectError::BadKubeconfig {
                        origin: origin.clone(),
                        problem: "a key has a value of the wrong type".to_owned(),
                    })?
                };
                (
                    from_kubeconfig(parsed, settings, around, &origin).await?,
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
        Ok(Self {
            config,
            origin,
            in_cluster,
        })
    }

    pub(super) fn server(&self) -> String {
        self.config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }

    /// Makes the client. On a thread of its own, since a login program is run and waited for.
    pub(super) async fn client(&self) -> Result<kube::Client, ConnectError> {
        let config = self.config.clone();
        let made = tokio::task::spawn_blocking(move || kube::Client::try_from(config)).await;
        let problem = match made {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => login_problem(&error),
            Err(error) => error.to_string(),
        };
        Err(ConnectError::Setup {
            origin: self.origin.clone(),
            server: self.server(),
            problem,
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
    if let kube::Error::ProxyProtocolDisabled { proxy_url, .. } = error {
        // The proxy's address may hold a password, so only its host is shown.
        return format!(
            "HTTPS_PROXY or the kubeconfig asks for the proxy {}, and this program speaks to API \
             servers without proxies only: if the server can be reached directly, add its host to \
             NO_PROXY",
            proxy_url.host().unwrap_or("(unnamed)")
        );
    }
    error.to_string()
}

fn read_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| {
        if let KubeconfigError::ReadConfig(source, path) = error {
            ConnectError::UnreadableFile { path, source }
        } else {
            bad_kubeconfig(&path.display().to_string(), &error)
        }
    })
}

fn bad_kubeconfig(origin: &str, error: &KubeconfigError) -> ConnectError {
    // The parser's message quotes the lines around the error, and they may hold a token.
    let problem = if matches!(error, KubeconfigError::Parse(_)) {
        "it is not valid YAML, or a key has a value of the wrong type".to_owned()
    } else {
        error.to_string()
    };
    ConnectError::BadKubeconfig {
        origin: origin.to_owned(),
        problem,
    }
}

/// Whether the context's cluster is reached through a proxy that the kubeconfig itself names.
fn names_a_proxy(kubeconfig: &Kubeconfig, context: &str) -> bool {
    let cluster = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == context)
        .and_then(|named| named.context.as_ref())
        .map(|context| context.cluster.as_str());
    kubeconfig
        .clusters
        .iter()
        .filter(|named| Some(named.name.as_str()) == cluster)
        .filter_map(|named| named.cluster.as_ref()?.proxy_url.as_ref())
        .any(|proxy| !proxy.is_empty())
}

async fn from_kubeconfig(
    kubeconfig: Kubeconfig,
    settings: &ConnectionSettings,
    around: &Surroundings,
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
    let names_a_proxy = names_a_proxy(&kubeconfig, &context);
    let options = KubeConfigOptions {
        context: Some(context),
        ..KubeConfigOptions::default()
    };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| bad_kubeconfig(origin, &error))?;
    // The environment's proxy has exceptions; one that the kubeconfig names has none.
    let exceptions = around.no_proxy.as_deref().unwrap_or_default();
    if !names_a_proxy
        && config
            .cluster_url
            .host()
            .is_some_and(|host| goes_direct(host, exceptions))
    {
        config.proxy_url = None;
    }
    Ok(config)
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
