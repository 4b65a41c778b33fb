//! The log of a container that takes no process: what its story says it would have written.

use jiff::Timestamp;
use serde_json::Value;

use crate::local_cluster::node::made_up::Story;

/// The log of one run.
pub struct MadeUpLog {
    story: Story,
    started: Timestamp,
    /// When the run ended, if it has.
    finished: Option<Timestamp>,
    /// The number of the next line.
    next: u64,
}

impl MadeUpLog {
    /// The log of run `id`, of which `status` tells when it began.
    pub fn new(story: Story, status: &Value, id: &str) -> Self {
        let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
        let ended = &state["terminated"];
        let run = if ended["containerID"] == id {
            ended
        } else if last["containerID"] == id {
            last
        } else {
            &state["running"]
        };
        let moment = |member: &str| run[member].as_str()?.parse().ok();
        Self {
            story,
            started: moment("startedAt").unwrap_or(Timestamp::UNIX_EPOCH),
            finished: moment("finishedAt"),
            next: 0,
        }
    }

    /// The records that have come since the last call.
    pub fn read(&mut self) -> Vec<u8> {
        let until = self.finished.unwrap_or_else(Timestamp::now);
        let records = self.story.log(self.started, until, self.next);
        self.next += lines(&records);
        records
    }

    /// Leaves out all but the last `count` lines of what there is.
    pub fn skip_to_tail(&mut self, count: u64) {
        let records = self.read();
        self.next -= lines(&records).min(count);
    }
}

fn lines(records: &[u8]) -> u64 {
    records.iter().filter(|byte| **byte == b'\n').count() as u64
}
