//! What is counted and timed while the program works: recorded where it happens, read by whoever
//! asks.
//!
//! `recorded` holds the sums that Prometheus keeps over time itself, `recent` the little of it
//! that this program keeps over time for its own page. A handle is handed to the rooms that
//! record; a record is an addition in memory. Knows none of them, and nothing of how it is shown
//! but the names.

mod recent;
mod recorded;

pub use recent::{Recent, Stretch, StretchSlot};
pub use recorded::{ApiRequests, Labels, Metrics, count_request, is_api_failure};
