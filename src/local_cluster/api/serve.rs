//! Serving the API over TLS, connection by connection.

use std::io;
use std::sync::Arc;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::create::furnish_namespace;
use super::faults::{Cut, Faults, unless_cut};
use super::metrics::Requests;
use super::{access, dispatch, events, gzip, namespaces};
use crate::listen::{Bounds, Door};
use crate::local_cluster::node::Node;
use crate::local_cluster::objects::{ObjectError, ObjectKey, Objects, Resource};

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
    let door = Door {
        listener,
        tls: Some(tls),
        bounds: Bounds::default(),
        stopping,
    };
    let answer = move |_| {
        let router = router.clone();
        let service = ServiceExt::<Request<Incoming>>::map_result::<_, _, Cut>(router, unless_cut);
        TowerToHyperService::new(service)
    };
    door.serve(answer, tasks).await
}
