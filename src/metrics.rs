//! What is counted and timed while the program works: recorded where it happens, read by whoever
//! asks.
//!
//! A handle is handed to the rooms that record; a record is an addition in memory. Knows none of
//! them, and nothing of how it is shown but the names.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Names and values that tell alike measurements apart.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// Requests to Kubernetes API servers, by verb and status.
pub type ApiRequests = Family<Labels<2>, Counter>;

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
    /// Bytes of log lines that were stored.
    pub log_bytes: Counter,
    /// Requests to Kubernetes API servers, by verb and status; 0: there was no answer.
    pub api_requests: ApiRequests,
    /// How late a timer of the runtime fires, in seconds.
    pub loop_lag: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        // From a tenth of a millisecond to some seconds.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 17));
        Self {
            claims: seconds(),
            commits: seconds(),
            fenced_writes: Counter::default(),
            log_bytes: Counter::default(),
            api_requests: Family::default(),
            loop_lag: seconds(),
        }
    }
}

/// Counts a request to a Kubernetes API server.
pub fn count_request(requests: &ApiRequests, verb: &str, code: u16) {
    let labels = [("verb", verb.to_owned()), ("code", code.to_string())];
    requests.get_or_create(&labels).inc();
}

impl Metrics {
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
        registry.register_with_unit(
            "log",
            "Log lines that were stored",
            Unit::Bytes,
            self.log_bytes.clone(),
        );
        registry.register(
            "kubernetes_requests",
            "Requests to Kubernetes API servers; code 0: there was no answer",
            self.api_requests.clone(),
        );
        registry.register_with_unit(
            "loop_lag",
            "How late a timer of the runtime fires",
            Unit::Seconds,
            self.loop_lag.clone(),
        );
    }
}
