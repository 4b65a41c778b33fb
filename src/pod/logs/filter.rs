//! What of a read is new.

use std::collections::VecDeque;

use super::split::StampedLine;
use crate::task::log::LogCursor;

/// How much later than the cursor a line may be stamped that nevertheless stands before the
/// cursor's own line in the file.
const DISORDER_NS: i64 = 1_000_000_000;

/// How many bytes are held while the cursor's own line is looked for.
const HOLD_BYTES: usize = 1 << 20;

/// What the filter lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passed {
    /// A line that was not taken before.
    Line(StampedLine),
    /// The cursor's own line is no longer there: lines may be missing here.
    Gap,
}

/// Drops the lines that an earlier read has taken.
///
/// A read begins some time before the cursor and goes in the order of the file. Everything up to
/// and including the cursor's own line is old, everything behind it is new, whatever its stamp:
/// two streams of one container may be stamped out of order. When the cursor's own line does not
/// turn up, the file is another one, and all that is in it behind the cursor's time is new, with a
/// gap before it.
#[derive(Debug)]
pub struct CursorFilter {
    /// The cursor's line, while it is looked for: its stamp, and how many lines of it remain.
    wanted: Option<(i64, u32)>,
    matched: bool,
    held: Vec<StampedLine>,
    held_bytes: usize,
}

impl CursorFilter {
    /// A filter for a read that goes on from `cursor`.
    #[must_use]
    pub fn new(cursor: &LogCursor) -> Self {
        let fresh = cursor.stamp_ns == 0 || cursor.seen_at_stamp == 0;
        Self {
            wanted: (!fresh).then_some((cursor.stamp_ns, cursor.seen_at_stamp)),
            matched: false,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// Takes the next line of the read.
    pub(super) fn push(&mut self, line: StampedLine, out: &mut VecDeque<Passed>) {
        let Some((stamp, remaining)) = self.wanted else {
            out.push_back(Passed::Line(line));
            return;
        };
        if line.stamp_ns == stamp {
            self.matched = true;
            self.held.clear();
            self.held_bytes = 0;
            self.wanted = (remaining > 1).then_some((stamp, remaining - 1));
            return;
        }
        if line.stamp_ns < stamp && self.held.is_empty() {
            return;
        }
        let far = line.stamp_ns.saturating_sub(stamp) > DISORDER_NS;
        self.held_bytes += line.text.len() + 32;
        self.held.push(line);
        if far || self.held_bytes > HOLD_BYTES {
            self.release(out);
        }
    }

    /// Takes the end of the read. `ended`: the container writes no more, so what is not there now
    /// never will be.
    pub(super) fn finish(&mut self, ended: bool, out: &mut VecDeque<Passed>) {
        if self.wanted.is_some() && (ended || !self.held.is_empty()) {
            self.release(out);
        }
    }

    /// Gives up looking for the cursor's line.
    fn release(&mut self, out: &mut VecDeque<Passed>) {
        self.wanted = None;
        // Some of several lines of one stamp were there: the file goes on from where it was cut.
        if !self.matched {
            out.push_back(Passed::Gap);
        }
        self.held_bytes = 0;
        out.extend(std::mem::take(&mut self.held).into_iter().map(Passed::Line));
    }
}

/// Moves a cursor over a line that was taken.
pub fn advance(cursor: &mut LogCursor, stamp_ns: i64) {
    if cursor.stamp_ns == stamp_ns {
        cursor.seen_at_stamp = cursor.seen_at_stamp.saturating_add(1);
    } else {
        cursor.stamp_ns = stamp_ns;
        cursor.seen_at_stamp = 1;
    }
}
