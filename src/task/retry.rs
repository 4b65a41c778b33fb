//! When a failed task is tried again.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::file::seconds;

/// No delay that backoff makes is longer than this.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// How often and after which delays a failed task is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// How many tries may follow the first one.
    pub retries: u32,
    /// The delay before the next try; with backoff, the delay before the second one.
    #[serde(with = "seconds")]
    pub retry_delay: Duration,
    /// By how much the delay grows with each try. 0 or 1: it stays the same, without jitter.
    pub backoff_multiplier: f64,
    /// No delay is longer than this.
    #[serde(with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub max_retry_delay: Option<Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 0,
            retry_delay: Duration::from_secs(300),
            backoff_multiplier: 0.0,
            max_retry_delay: None,
        }
    }
}

impl RetryPolicy {
    /// Whether another try may follow the failed try number `try_number` (the first is 1).
    #[must_use]
    pub fn allows_another_after(&self, try_number: u32) -> bool {
        try_number <= self.retries
    }

    /// How long to wait after the failed try number `try_number` (the first is 1).
    ///
    /// With backoff the delay is drawn between the grown delay and its double, so that tasks that
    /// failed together do not come back together, and is never longer than
    /// [`LONGEST_BACKOFF`].
    pub fn delay(&self, try_number: u32, random: &mut impl Rng) -> Duration {
        let delay = if self.backoff_multiplier > 1.0 {
            let exponent = f64::from(try_number.saturating_sub(1));
            let grown = self.retry_delay.as_secs_f64() * self.backoff_multiplier.powf(exponent);
            // Whole seconds, and at least one: a delay that rounds to nothing would be no delay.
            let grown = grown.ceil().max(1.0);
            let jittered = grown * random.random_range(1.0..2.0);
            Duration::try_from_secs_f64(jittered)
                .unwrap_or(LONGEST_BACKOFF)
                .min(LONGEST_BACKOFF)
        } else {
            self.retry_delay
        };
        self.max_retry_delay.map_or(delay, |max| delay.min(max))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn random() -> StdRng {
        StdRng::seed_from_u64(7)
    }

    #[test]
    fn without_retries_the_first_try_is_the_last() {
        let policy = RetryPolicy::default();
        assert!(!policy.allows_another_after(1));
    }

    #[test]
    fn two_retries_are_three_tries() {
        let policy = RetryPolicy {
            retries: 2,
            ..RetryPolicy::default()
        };
        assert!(policy.allows_another_after(1));
        assert!(policy.allows_another_after(2));
        assert!(!policy.allows_another_after(3));
    }

    #[test]
    fn without_backoff_the_delay_is_what_was_asked_for() {
        let policy = RetryPolicy {
            retry_delay: Duration::from_secs(7),
            ..RetryPolicy::default()
        };
        for try_number in [1, 2, 50] {
            assert_eq!(
                policy.delay(try_number, &mut random()),
                Duration::from_secs(7)
            );
        }
    }

    #[test]
    fn the_longest_delay_bounds_a_plain_one_too() {
        let policy = RetryPolicy {
            max_retry_delay: Some(Duration::from_secs(60)),
            ..RetryPolicy::default()
        };
        assert_eq!(policy.delay(1, &mut random()), Duration::from_secs(60));
    }

    proptest! {
        #[test]
        fn a_delay_with_backoff_lies_between_the_grown_one_and_its_double(
            try_number in 1_u32..2000, base in 0_u64..5000, multiplier in 1.1_f64..5.0, seed: u64
        ) {
            let policy = RetryPolicy {
                retries: 9,
                retry_delay: Duration::from_secs(base),
                backoff_multiplier: multiplier,
                max_retry_delay: None,
            };
            let delay = policy.delay(try_number, &mut StdRng::seed_from_u64(seed));
            let grown = (base as f64 * multiplier.powi(try_number as i32 - 1)).ceil().max(1.0);
            prop_assert!(delay <= LONGEST_BACKOFF);
            prop_assert!(delay.as_secs_f64() >= grown.min(LONGEST_BACKOFF.as_secs_f64()) * 0.999_999);
            prop_assert!(delay.as_secs_f64() <= (grown * 2.0).min(LONGEST_BACKOFF.as_secs_f64()) * 1.000_001);
        }
    }
}
