//! Starting and stopping the API.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use http::Request;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::access::Access;
use super::guard::Peer;
use super::metrics::{Scrape, measure_lag, watch_overdue};
use super::router::{document, posts, router};
use crate::listen::{Bounds, Door};
use crate::service::Service;

type Limiter = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock, NoOpMiddleware>;

/// How many connections are answered at once.
const CONNECTIONS: usize = 1024;
/// How long the headers of a request may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How many headers a request may have, and how large they may be together.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 << 10;

/// What clients may do.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How many requests one client may send in a second, on average; no bound when absent.
    pub requests_per_second: Option<NonZeroU32>,
    /// How large a request's body may be, in bytes.
    pub max_body_bytes: usize,
    /// How long a request may take until its answer begins.
    pub request_time: Duration,
    /// Names of this machine beside those that every machine has; for requests without tokens.
    pub allowed_hosts: Vec<String>,
}

/// What an API is made of.
pub struct ApiOptions {
    /// What answers.
    pub service: Service,
    /// Who may ask.
    pub access: Access,
    /// What TLS is spoken with; none: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    /// What clients may do.
    pub settings: ApiSettings,
}

/// What requests are answered from.
pub(super) struct Api {
    pub(super) service: Service,
    pub(super) access: Access,
    /// What clients may do. Never borrowed over a wait: it is replaced while requests are answered.
    pub(super) may: watch::Sender<May>,
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    pub(super) stopping: CancellationToken,
    /// Whether the engine works.
    pub(super) ready: AtomicBool,
    /// How many answers go on.
    pub(super) streams: Gauge,
    pub(super) scrape: Scrape,
    pub(super) document: Arc<str>,
    /// The paths to which something may be sent.
    pub(super) posts: HashSet<String>,
}

/// What clients may do, and who has done how much of it.
pub(super) struct May {
    pub(super) settings: ApiSettings,
    pub(super) limiter: Option<Limiter>,
}

impl May {
    fn of(settings: ApiSettings) -> Self {
        Self {
            // Twice as many at once: a page asks for several things together.
            limiter: settings.requests_per_second.map(|rate| {
                let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
                RateLimiter::hashmap(Quota::per_second(rate).allow_burst(burst))
            }),
            settings,
        }
    }
}

impl Api {
    fn new(options: ApiOptions) -> Arc<Self> {
        let streams = Gauge::default();
        let metrics = options.service.store().metrics().clone();
        Arc::new(Self {
            scrape: Scrape::new(&metrics, &streams),
            streams,
            // Those who ask much keep no reader from the engine.
            service: options.service.with_own_readers(),
            access: options.access,
            tls: options.tls.is_some(),
            may: watch::Sender::new(May::of(options.settings)),
            stopping: CancellationToken::new(),
            ready: AtomicBool::new(false),
            document: document().into(),
            posts: posts(),
        })
    }
}

/// What answers requests, without a socket: for whoever brings requests another way.
pub fn handler(options: ApiOptions) -> axum::Router {
    router(Api::new(options))
}

/// Why the API does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// An API that answers. Dropping it ends it at once.
pub struct Server {
    address: SocketAddr,
    tls: bool,
    api: Arc<Api>,
    task: JoinSet<()>,
}

impl Server {
    /// Answers on `listener` until it is stopped.
    ///
    /// # Errors
    /// The listener's address cannot be told.
    pub fn start(options: ApiOptions, listener: TcpListener) -> Result<Self, ServerError> {
        let address = listener.local_addr().map_err(|source| ServerError::Bind {
            address: "the socket".to_owned(),
            source,
        })?;
        let tls = options.tls.clone();
        let api = Api::new(options);
        let router = router(Arc::clone(&api));
        let answer = move |peer: SocketAddr| {
            let told = move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                request
            };
            TowerToHyperService::new(router.clone().map_request(told))
        };
        let door = Door {
            listener,
            tls: tls.clone(),
            bounds: Bounds {
                connections: Some(CONNECTIONS),
                header_time: Some(HEADER_TIME),
                headers: Some(HEADERS),
                header_bytes: Some(HEADER_BYTES),
            },
            stopping: api.stopping.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = door.serve(answer, JoinSet::new()).await {
                tracing::error!(%error, "the API ended");
            }
        });
        let lag = api.service.store().metrics().loop_lag.clone();
        task.spawn(measure_lag(lag, api.stopping.clone()));
        task.spawn(watch_overdue(Arc::clone(&api)));
        Ok(Self {
            address,
            tls: tls.is_some(),
            api,
            task,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Goes on with other settings: requests that come from now on are held to them.
    pub fn use_settings(&self, settings: ApiSettings) {
        self.api.may.send_replace(May::of(settings));
    }

    /// The engine works.
    pub fn ready(&self) {
        self.api.ready.store(true, Ordering::Relaxed);
    }

    /// Ends every answer and waits until that is done.
    pub async fn stop(mut self) {
        self.api.stopping.cancel();
        while self.task.join_next().await.is_some() {}
    }
}
