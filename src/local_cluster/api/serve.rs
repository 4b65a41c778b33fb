//! Serving the API over TLS, connection by connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::create::furnish_namespace;
use super::faults::{Cut, Faults, unless_cut};
use super::metrics::Requests;
use super::{access, dispatch, events, gzip, namespaces};
use crate::local_cluster::node::Node;
use crate::local_cluster::objects::{ObjectError, ObjectKey, Objects, Resource};

/// How long a client may take for its TLS handshake.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long connections may take to end once the server stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// Before another connection is accepted after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the API needs to answer.
pub struct Api {
    pub(crate) objects: Objects,
    pub(crate) node: Node,
    pub(crate) token: String,
    pub(crate) signer: access::Signer,
    pub(crate) stopping: CancellationToken,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
}

impl Api {
    /// An API over `objects`, whose pods `node` runs, for whoever presents `token`. Open watches end when `stopping` is
    /// cancelled. With `faults`, its owner can order it to fail. The namespaces and roles that
    /// every cluster has are made here.
    ///
    /// # Errors
    ///
    /// The objects cannot be written.
    pub fn new(
        objects: Objects,
        node: Node,
        token: String,
        stopping: CancellationToken,
        faults: bool,
    ) -> Result<Self, ObjectError> {
        let api = Self {
            objects,
            node,
            signer: access::Signer::new(&token),
            token,
            stopping,
            faults: Faults::new(faults),
            requests: Requests::default(),
        };
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let key = ObjectKey::cluster(Resource::Namespace, name);
            if api.objects.get(&key).is_none() {
                api.objects.create(
                    Resource::Namespace,
                    json!({
                        "metadata": {
                            "name": name,
                            "labels": {"kubernetes.io/metadata.name": name},
                        },
                        "spec": {"finalizers": ["kubernetes"]},
                        "status": {"phase": "Active"},
                    }),
                )?;
                furnish_namespace(&api, name);
            }
        }
        access::furnish(&api.objects)?;
        Ok(api)
    }
}

/// Answers the connections of `listener` until the API's `stopping` is cancelled.
///
/// # Errors
///
/// The listener's address cannot be told.
pub async fn serve(api: Arc<Api>, listener: TcpListener, tls: TlsAcceptor) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "the API answers");
    let stopping = api.stopping.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(namespaces::keep_emptying(
        api.objects.clone(),
        stopping.clone(),
    ));
    tasks.spawn(events::keep_forgetting(
        api.objects.clone(),
        stopping.clone(),
    ));
    let router = Router::new()
        .fallback(dispatch::handle)
        .layer(axum::middleware::from_fn(gzip::respond))
        .with_state(Arc::clone(&api));
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(connection(
                        stream,
                        tls.clone(),
                        router.clone(),
                        stopping.clone(),
                    ));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    let farewell = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tasks.shutdown().await;
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    router: Router,
    stopping: CancellationToken,
) {
    // Small answers, such as the lines of a watch, leave at once.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await else {
        return;
    };
    let service = ServiceExt::<Request<Incoming>>::map_result::<_, _, Cut>(router, unless_cut);
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended in an error");
            }
        }
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // How it ends is the client's affair now.
            let _ = connection.await;
        }
    }
}
