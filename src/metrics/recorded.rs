//! The sums and histograms, and their names.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::recent::Recent;

/// Names and values that tell alike measurements apart.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// Requests to Kubernetes API servers. Cheap to clone; all clones record together.
#[derive(Debug, Clone, Default)]
pub struct ApiRequests {
    /// By verb and status.
    sums: Family<Labels<2>, Counter>,
    recent: Recent,
}

/// What is recorded. Cheap to clone; all clones record together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// How long it took to take tasks from the queue, in seconds; looks that found none are left
    /// out.
    pub claims: Histogram,
    /// How long a transaction took until it was durable, in seconds.
    pub commits: Histogram,
    /// Writes that came too late, and were dropped.
    pub fenced_writes: Counter,
    /// Tries to reach a database server that was lost, while a write waited.
    pub store_waits: Counter,
    /// Whether the database announces its changes here: 1, or 0 while it is lost.
    pub store_up: Gauge,
    /// Bytes of log lines that were stored.
    pub log_bytes: Counter,
    /// Requests to Kubernetes API servers, by verb and status; 0: there was no answer.
    pub api_requests: ApiRequests,
    /// How late a timer of the runtime fires, in seconds.
    pub loop_lag: Histogram,
    /// From the arrival of a cluster's report until the resume that it led to was durable, in
    /// seconds.
    detections: Histogram,
    /// What is kept over time.
    pub recent: Recent,
}

impl Default for Metrics {
    fn default() -> Self {
        // From a tenth of a millisecond to some seconds.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 17));
        let recent = Recent::default();
        let store_up = Gauge::default();
        store_up.set(1);
        Self {
            claims: seconds(),
            commits: seconds(),
            fenced_writes: Counter::default(),
            store_waits: Counter::default(),
            store_up,
            log_bytes: Counter::default(),
            api_requests: ApiRequests {
                sums: Family::default(),
                recent: recent.clone(),
            },
            loop_lag: seconds(),
            detections: seconds(),
            recent,
        }
    }
}

/// Counts a request to a Kubernetes API server.
pub fn count_request(requests: &ApiRequests, verb: &str, code: u16) {
    let labels = [("verb", verb.to_owned()), ("code", code.to_string())];
    requests.sums.get_or_create(&labels).inc();
    requests
        .recent
        .requested(is_api_failure(code), Instant::now());
}

/// Whether a status says that the server could not, or that there was no answer (0): what is to be
/// looked at as an error of the cluster and not of the request.
#[must_use]
pub fn is_api_failure(code: u16) -> bool {
    code == 0 || code == 429 || code >= 500
}

impl Metrics {
    /// A cluster's report led to a resume, which was durable `took` after the report had arrived.
    pub fn detected(&self, took: Duration) {
        self.detections.observe(took.as_secs_f64());
        self.recent.detected(took, Instant::now());
    }

    /// Names everything in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "claim",
            "How long it took to take tasks from the queue",
            Unit::Seconds,
            self.claims.clone(),
        );
        registry.register_with_unit(
            "commit",
            "How long a transaction took until it was durable",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register(
            "fenced_writes",
            "Writes that came too late and were dropped",
            self.fenced_writes.clone(),
        );
        registry.register(
            "store_waits",
            "Tries to reach a database server that was lost, while a write waited",
            self.store_waits.clone(),
        );
        registry.register(
            "store_up",
            "Whether the database announces its changes here (1); always, where it is a file",
            self.store_up.clone(),
        );
        registry.register_with_unit(
            "log",
            "Log lines that were stored",
            Unit::Bytes,
            self.log_bytes.clone(),
        );
        registry.register(
            "kubernetes_requests",
            "Requests to Kubernetes API servers; code 0: there was no answer",
            self.api_requests.sums.clone(),
        );
        registry.register_with_unit(
            "detection_latency",
            "From the arrival of a cluster's report until the resume that it led to was durable",
            Unit::Seconds,
            self.detections.clone(),
        );
        registry.register_with_unit(
            "loop_lag",
            "How late a timer of the runtime fires",
            Unit::Seconds,
            self.loop_lag.clone(),
        );
    }
}
