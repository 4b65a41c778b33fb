//! How much may be asked of one cluster at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::ConnectionSettings;
use crate::metrics::ApiRequests;

/// Bounds that all clients of one API server share.
#[derive(Debug)]
pub(super) struct ClusterLimits {
    /// Requests under way. A stream counts until it is open.
    pub(super) requests: Semaphore,
    /// How often was asked what, and how it was answered.
    pub(super) asked: ApiRequests,
    /// Logs that are being read, from their opening to their end.
    pub(super) log_reads: Arc<Semaphore>,
}

impl ClusterLimits {
    pub(super) fn of(settings: &ConnectionSettings) -> Self {
        Self {
            requests: Semaphore::new(settings.requests_at_once()),
            asked: ApiRequests::default(),
            log_reads: Arc::new(Semaphore::new(settings.log_reads_at_once())),
        }
    }

    /// The same, counted in `asked`.
    pub(super) fn counting(self, asked: ApiRequests) -> Self {
        Self { asked, ..self }
    }
}
