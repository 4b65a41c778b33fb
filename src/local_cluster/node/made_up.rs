//! Containers that take no process: their life is told by annotations of the pod.
//!
//! For clusters of tens of thousands of pods, where what is tried is the client.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// Annotations of this prefix tell the life of a pod's containers.
const PREFIX: &str = "simulate.adjourn/";

/// The life of a made-up container.
///
/// Annotations, all with the prefix `simulate.adjourn/`: `schedule-delay`, `start-delay`,
/// `run-time` (as in `1.5s`, `200ms`, `10m`, or bare seconds; `run-time: forever` until it is
/// stopped), `exit-code`, `stop-code` (when it is asked to end) and `log-lines-per-second`.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Between the creation of the pod and its binding.
    pub schedule_delay: Duration,
    /// Between the making of the container and its start.
    pub start_delay: Duration,
    /// How long it runs; none for ever.
    pub run_time: Option<Duration>,
    /// How it ends by itself.
    pub exit_code: i32,
    /// How it ends when it is asked to.
    pub stop_code: i32,
    /// How much it writes.
    pub log_lines_per_second: f64,
}

impl Story {
    /// The story that the annotations of `pod` tell. What does not parse is as if it were absent.
    #[must_use]
    pub fn of(pod: &Value) -> Self {
        let annotations = &pod["metadata"]["annotations"];
        let told = |name: &str| annotations[format!("{PREFIX}{name}")].as_str();
        let delay = |name: &str| told(name).and_then(duration).unwrap_or_default();
        let code = |name: &str| told(name).and_then(|text| text.parse().ok());
        let lines = told("log-lines-per-second").and_then(|text| text.parse::<f64>().ok());
        Self {
            schedule_delay: delay("schedule-delay"),
            start_delay: delay("start-delay"),
            run_time: match told("run-time") {
                Some("forever") => None,
                told => Some(told.and_then(duration).unwrap_or(Duration::from_secs(1))),
            },
            exit_code: code("exit-code").unwrap_or(0),
            stop_code: code("stop-code").unwrap_or(143),
            log_lines_per_second: lines.filter(|lines| *lines > 0.0).unwrap_or(0.0),
        }
    }

    /// The log of a run that began at `started`, as far as it goes at `until`: stamps and lines
    /// from number `from` on, as records.
    #[must_use]
    pub fn log(&self, started: Timestamp, until: Timestamp, from: u64) -> Vec<u8> {
        let mut records = Vec::new();
        if self.log_lines_per_second <= 0.0 {
            return records;
        }
        for number in from.. {
            let at = started + Duration::from_secs_f64(as_f64(number) / self.log_lines_per_second);
            if at >= until {
                break;
            }
            records.extend_from_slice(format!("{at:.9} stdout F line {number}\n").as_bytes());
        }
        records
    }
}

/// Line numbers stay far below the point at which this would round.
#[allow(clippy::cast_precision_loss, reason = "nobody simulates 2^52 lines")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// A duration as people write it.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * factor).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_tell_the_story() {
        let pod = json!({"metadata": {"annotations": {
            "simulate.adjourn/start-delay": "250ms",
            "simulate.adjourn/run-time": "1.5m",
            "simulate.adjourn/exit-code": "3",
            "simulate.adjourn/log-lines-per-second": "2",
        }}});
        let story = Story::of(&pod);
        assert_eq!(story.start_delay, Duration::from_millis(250));
        assert_eq!(story.run_time, Some(Duration::from_secs(90)));
        assert_eq!(story.exit_code, 3);
        let begin = Timestamp::UNIX_EPOCH;
        let log = story.log(begin, begin + Duration::from_millis(1400), 1);
        assert_eq!(
            String::from_utf8(log).unwrap(),
            "1970-01-01T00:00:00.500000000Z stdout F line 1\n\
             1970-01-01T00:00:01.000000000Z stdout F line 2\n"
        );
        let plain = Story::of(&json!({}));
        assert_eq!(plain.run_time, Some(Duration::from_secs(1)));
        assert!(
            plain
                .log(begin, begin + Duration::from_secs(9), 0)
                .is_empty()
        );
    }
}
