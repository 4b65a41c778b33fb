//! Why a cluster cannot be connected to, told for a person.

use std::path::PathBuf;

use thiserror::Error;

use super::ApiError;

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
