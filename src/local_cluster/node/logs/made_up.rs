//! The log of a container that takes no process: what its story says it would have written.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::local_cluster::node::made_up::Story;

/// What moments in a status are cut to.
const SECOND: Duration = Duration::from_secs(1);

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

    /// When the run ended, or until when it has written by now. A status tells whole seconds: a
    /// run that came to its end by itself took as long as its story says.
    fn until(&self) -> Timestamp {
        let by_story = self.story.run_time.map(|time| self.started + time);
        match (self.finished, by_story) {
            (Some(finished), Some(by_story)) if by_story <= finished + SECOND => by_story,
            (Some(finished), _) => finished,
            (None, Some(by_story)) => by_story.min(Timestamp::now()),
            (None, None) => Timestamp::now(),
        }
    }

    /// The records that have come since the last call.
    pub fn read(&mut self) -> Vec<u8> {
        let until = self.until();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines_of(run_time: &str, finished: &str) -> u64 {
        let pod = json!({"metadata": {"annotations": {
            "simulate.adjourn/run-time": run_time,
            "simulate.adjourn/log-lines-per-second": "10",
        }}});
        let status = json!({"state": {"terminated": {
            "containerID": "c", "startedAt": "2026-11-24T08:00:00Z", "finishedAt": finished,
        }}});
        lines(&MadeUpLog::new(Story::of(&pod), &status, "c").read())
    }

    #[test]
    fn a_run_of_a_part_of_a_second_writes_what_its_story_says() {
        assert_eq!(lines_of("300ms", "2026-11-24T08:00:00Z"), 3);
        assert_eq!(lines_of("300ms", "2026-11-24T08:00:01Z"), 3);
    }

    #[test]
    fn a_run_that_was_stopped_wrote_until_then() {
        assert_eq!(lines_of("60s", "2026-11-24T08:00:02Z"), 20);
        assert_eq!(lines_of("forever", "2026-11-24T08:00:02Z"), 20);
    }
}
