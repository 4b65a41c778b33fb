//! A log followed live, through stalls and broken connections.

use std::time::Duration;

use super::read::{LogReader, open_as};
use super::request::{LogBatch, LogEnd, LogOpening, LogRequest, LogStep};
use crate::pod::client::{ApiError, Backoff, ClusterClient};
use crate::task::log::LogCursor;

/// How many renewals in a row may bring nothing but errors.
const FRUITLESS: u32 = 6;

/// What following brings next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowStep {
    /// Lines.
    Batch(LogBatch),
    /// The stream ended as it does when the container has. The state tells whether it has; one
    /// more read with `ended` then takes what stands behind the last newline.
    Ended,
    /// There is no log yet, or none any more that the node can find.
    Unavailable {
        /// The node's words.
        message: String,
    },
    /// The pod is gone.
    Gone,
}

/// Follows one container's log. A stream that is silent too long or breaks is opened again from
/// the last line.
#[derive(Debug)]
pub struct LogFollower {
    client: ClusterClient,
    request: LogRequest,
    reader: Option<Box<LogReader>>,
    backoff: Backoff,
}

impl LogFollower {
    /// Follows from the request's cursor on.
    #[must_use]
    pub fn new(client: ClusterClient, request: LogRequest) -> Self {
        Self {
            client,
            request,
            reader: None,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
        }
    }

    /// How far the log is read once all batches so far are kept.
    #[must_use]
    pub fn cursor(&self) -> &LogCursor {
        &self.request.cursor
    }

    /// The next lines, or why there are none. A future that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// What cannot pass by itself, and what has not passed after several renewals.
    pub async fn next(&mut self) -> Result<FollowStep, ApiError> {
        loop {
            let Some(reader) = &mut self.reader else {
                match open_as(&self.client, &self.request, true).await {
                    Ok(LogOpening::Reading(reader)) => self.reader = Some(reader),
                    Ok(LogOpening::NotScheduled) => {
                        return Ok(FollowStep::Unavailable {
                            message: "the pod has no node yet".to_owned(),
                        });
                    }
                    Ok(LogOpening::Unavailable { message }) => {
                        return Ok(FollowStep::Unavailable { message });
                    }
                    Ok(LogOpening::Gone) => return Ok(FollowStep::Gone),
                    Err(error) => self.rest_after(error).await?,
                }
                continue;
            };
            match reader.next().await {
                Ok(LogStep::Batch(batch)) => {
                    self.request.cursor = batch.cursor.clone();
                    self.backoff.reset();
                    return Ok(FollowStep::Batch(batch));
                }
                Ok(LogStep::End(end)) => {
                    self.reader = None;
                    match end {
                        LogEnd::Stalled => self.backoff.reset(),
                        LogEnd::CaughtUp | LogEnd::Complete | LogEnd::CapReached => {
                            return Ok(FollowStep::Ended);
                        }
                        LogEnd::NotALog { text } => {
                            return Ok(FollowStep::Unavailable { message: text });
                        }
                    }
                }
                Err(error) => {
                    self.reader = None;
                    self.rest_after(error).await?;
                }
            }
        }
    }

    async fn rest_after(&mut self, error: ApiError) -> Result<(), ApiError> {
        if !error.retryable() || self.backoff.failures() >= FRUITLESS {
            return Err(error);
        }
        let delay = self.backoff.next(rand::random(), error.retry_after());
        tracing::debug!(%error, ?delay, "following again");
        tokio::time::sleep(delay).await;
        Ok(())
    }
}
