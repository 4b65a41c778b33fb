//! Reading containers' logs the way the kubelet serves them.

mod choice;
mod format;
mod made_up;
mod reader;
mod rotation;

pub(super) use choice::{open, status_of};
pub(super) use format::Record;
pub(super) use rotation::rotate;

pub use rotation::RotationError;

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use jiff::Timestamp;

/// The bytes of a log, as they are to be sent.
pub type LogStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Which part of a log is wanted, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Lines from this moment on; counted by its whole second.
    pub since_time: Option<Timestamp>,
    /// Lines of the last so many seconds.
    pub since_seconds: Option<u64>,
    /// The last so many stored pieces; a line of up to 16384 bytes is one.
    pub tail_lines: Option<u64>,
    /// End after so many bytes, wherever that is.
    pub limit_bytes: Option<u64>,
    /// Put the moment of its end before each line.
    pub timestamps: bool,
    /// The log of the run before this one.
    pub previous: bool,
}

/// Why there is no log, as the API answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LogRefusal {
    /// The HTTP status; 204 for a pod that has no node yet.
    pub status: u16,
    /// A sentence; empty for 204.
    pub message: String,
    /// Whether the message is the whole body, not part of a Status object.
    pub plain_text: bool,
}

impl LogRefusal {
    fn internal(message: String) -> Self {
        Self {
            status: 500,
            message,
            plain_text: false,
        }
    }

    fn bad_request(message: String) -> Self {
        Self {
            status: 400,
            message,
            plain_text: false,
        }
    }
}
