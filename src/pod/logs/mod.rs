//! Reading a container's log: each line once, in order, in bounded memory, from a cursor on.
//!
//! The API filters by whole seconds only, so a reader asks a little further back and drops what
//! the cursor covers. The pure parts ([`LineSplitter`], [`CursorFilter`]) know nothing of HTTP:
//! however the bytes are cut and however reads overlap, the lines that come out are those that
//! were written. Where the cluster has lost lines (the node rotates logs and serves only the
//! newest file), a [`crate::task::log::LineKind::Gap`] says so instead of silence.

mod filter;
mod follow;
mod read;
mod reference;
mod request;
mod split;
mod stamp;

pub use filter::{CursorFilter, advance};
pub use follow::{FollowStep, LogFollower};
pub use read::{LogReader, open};
pub use reference::{LogLevel, ParsedLine, is_log_group_marker, level_of, parse_log_line};
pub use request::{LogBatch, LogEnd, LogLimits, LogOpening, LogRequest, LogStep};
pub use split::{LineSplitter, NotALog, StampedLine};
pub use stamp::{parse_stamp, since_time};

#[cfg(test)]
mod tests;
