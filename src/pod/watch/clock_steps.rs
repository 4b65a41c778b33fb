//! Noticing that the wall clock was set, or that the machine slept.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};

/// By how much the two clocks may drift apart between two looks.
const NOTICED: TimeDelta = TimeDelta::milliseconds(500);

/// The wall clock beside one that nobody sets.
#[derive(Debug)]
pub(super) struct ClockSteps {
    clock: Clock,
    wall: Timestamp,
    steady: Instant,
}

impl ClockSteps {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            wall: clock.now(),
            steady: Instant::now(),
            clock,
        }
    }

    /// Whether the wall clock has gone another way than time itself since the last look.
    pub(super) fn stepped(&mut self) -> bool {
        let (wall, steady) = (self.clock.now(), Instant::now());
        let passed: Duration = steady - self.steady;
        let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
        let step = (wall - self.wall) - passed;
        self.wall = wall;
        self.steady = steady;
        step.abs() > NOTICED
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_once_in_either_direction() {
        let ahead = Arc::new(AtomicI64::new(0));
        let clock = {
            let (ahead, system) = (Arc::clone(&ahead), Clock::system());
            Clock::from_fn(move || system.now() + TimeDelta::seconds(ahead.load(Ordering::Relaxed)))
        };
        let mut steps = ClockSteps::new(clock);
        for seconds in [3600, 0] {
            ahead.store(seconds, Ordering::Relaxed);
            assert!(steps.stepped());
            assert!(!steps.stepped());
        }
    }
}
