//! How long to wait before trying again.

use std::time::Duration;

/// Delays that double up to a cap, each drawn between half of its value and the whole.
///
/// The chance is handed in, so that a test sees the same delays every time.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `base` and never waits longer than `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    /// How often [`Backoff::next`] was asked since the last [`Backoff::reset`].
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The next delay. `chance` lies in 0..1; `at_least` is what the server asked for
    /// (`Retry-After`) and is kept even beyond the cap.
    pub fn next(&mut self, chance: f64, at_least: Option<Duration>) -> Duration {
        let doubled = self
            .base
            .saturating_mul(2_u32.saturating_pow(self.failures.min(30)))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let spread = doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
        // Jitter goes on top of what the server asked for: everyone else was told the same.
        at_least
            .map_or(spread, |least| least + spread.mul_f64(0.25).min(least))
            .max(spread)
    }

    /// Forgets past failures, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delays: Vec<u128> = (0..6)
            .map(|_| backoff.next(1.0, None).as_millis())
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0, None).as_millis(), 50);
    }

    #[test]
    fn the_server_has_the_last_word() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let delay = backoff.next(0.5, Some(Duration::from_secs(7)));
        assert!(delay >= Duration::from_secs(7), "{delay:?}");
        assert!(delay < Duration::from_secs(8), "{delay:?}");
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        for _ in 0..1000 {
            assert!(backoff.next(1.0, None) <= Duration::from_secs(30));
        }
        assert_eq!(backoff.failures(), 1000);
    }
}
