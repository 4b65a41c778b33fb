//! What can be asked of a log, and what comes back: plain data.

use std::time::Duration;

use super::read::LogReader;
use crate::task::log::{LogCursor, LogLine};
use crate::task::pods::PodIdentity;

/// What is to be read.
#[derive(Debug, Clone)]
pub struct LogRequest {
    /// The pod.
    pub pod: PodIdentity,
    /// The container.
    pub container: String,
    /// The container instance, as its status names it.
    pub container_id: String,
    /// How far it has been read.
    pub cursor: LogCursor,
    /// Whether the container is known to have ended: then what stands behind the last newline is
    /// a line too, and the log is complete.
    pub ended: bool,
    /// Whether to read the former instance's log.
    pub previous: bool,
    /// Whether to ask, after the log was opened, if the pod of that name is still the same. One
    /// request more; needed where names are used again.
    pub check_identity: bool,
    /// How much at once.
    pub limits: LogLimits,
}

/// How much of a log is held or taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines in one batch.
    pub batch_lines: usize,
    /// Bytes of text in one batch.
    pub batch_bytes: usize,
    /// Bytes of text in one line; a longer one comes in pieces.
    pub line_bytes: usize,
    /// Bytes of text in this read; there it ends with a visible mark, and the next one goes on.
    pub max_bytes: Option<u64>,
    /// How long the server may be silent.
    pub silence: Duration,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            // Each batch is a transaction, and each transaction waits for the disk.
            batch_lines: 5000,
            batch_bytes: 512 << 10,
            line_bytes: 256 << 10,
            max_bytes: None,
            silence: Duration::from_secs(60),
        }
    }
}

/// Some lines, and how far the log is read once they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// The lines, in order. Possibly none, when only the cursor moves.
    pub lines: Vec<LogLine>,
    /// To be stored with the lines, in one transaction.
    pub cursor: LogCursor,
}

/// What the request for a log came to.
#[derive(Debug)]
pub enum LogOpening {
    /// It can be read.
    Reading(Box<LogReader>),
    /// No node has been chosen, so there is no log yet.
    NotScheduled,
    /// The node has no log of that container: it waits to be started, cannot be found, or is none
    /// of this pod. Its state tells which.
    Unavailable {
        /// The node's words.
        message: String,
    },
    /// The pod is gone, and its log with it.
    Gone,
}

/// What a read brings next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogStep {
    /// Lines.
    Batch(LogBatch),
    /// The end of this read.
    End(LogEnd),
}

/// Why a read ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEnd {
    /// The log of a container that has ended was read to its end; the last batch's cursor says
    /// so too.
    Complete,
    /// All that there is now. A line that is not finished was left for the next read.
    CaughtUp,
    /// The node sent its own words instead of the log or behind it. What it has said is no line;
    /// a later read may succeed.
    NotALog {
        /// The words.
        text: String,
    },
    /// [`LogLimits::max_bytes`] was reached; the last line is a mark.
    CapReached,
    /// A follow stream was silent for [`LogLimits::silence`].
    Stalled,
}
