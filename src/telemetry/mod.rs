//! What this program says about itself: never a container's output, never a secret.
//!
//! `words` is the log on stderr. `traces`, behind the feature `otel`, are the spans of tasks' steps,
//! sent to whoever collects them.

#[cfg(feature = "otel")]
mod traces;
mod words;

pub use words::{Telemetry, TelemetryError, start};
