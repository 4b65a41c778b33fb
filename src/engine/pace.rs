//! How fast pods are created: a bucket of tokens, one for each pod. No clock of its own.

use std::time::Duration;

use tokio::time::Instant;

/// Fills by so many tokens a second and holds those of one second: after a quiet while no more
/// pods are created at once than a second may bring.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Pace {
    /// The part of one of `sharing` engines that work on the same store.
    pub(super) fn shared(per_second: u32, sharing: usize, now: Instant) -> Self {
        let sharing = f64::from(u32::try_from(sharing.max(1)).unwrap_or(u32::MAX));
        let per_second = f64::from(per_second.max(1)) / sharing;
        Self {
            per_second,
            tokens: per_second.max(1.0),
            filled: now,
        }
    }

    /// How many pods may be created now.
    pub(super) fn allowed(&mut self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.tokens =
            (self.tokens + passed.as_secs_f64() * self.per_second).min(self.per_second.max(1.0));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between nothing and what a u32 was made into"
        )]
        let whole = self.tokens.max(0.0) as u32;
        whole
    }

    /// So many pods are created now.
    pub(super) fn take(&mut self, pods: u32) {
        self.tokens -= f64::from(pods);
    }

    /// How long until one more pod may be created.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_brings_as_many_pods_as_were_agreed_on_whenever_it_is_asked() {
        let start = Instant::now();
        let mut pace = Pace::shared(10, 1, start);
        let mut created = 0;
        // Asked every 7 ms for a second, and each time all that is allowed is taken.
        for tick in 0..=143_u32 {
            let allowed = pace.allowed(start + Duration::from_millis(7) * tick);
            pace.take(allowed);
            created += allowed;
        }
        // What the bucket held at first, and one second's worth.
        assert_eq!(created, 10 + 10);
    }

    #[test]
    fn three_that_share_create_together_what_one_may() {
        let start = Instant::now();
        let mut paces = [(); 3].map(|()| Pace::shared(2, 3, start));
        let mut created = 0;
        for tick in 0..=3000_u32 {
            for pace in &mut paces {
                let allowed = pace.allowed(start + Duration::from_millis(1) * tick);
                pace.take(allowed);
                created += allowed;
            }
        }
        // One each at first, and two a second.
        assert_eq!(created, 3 + 2 * 3);
    }

    #[test]
    fn after_a_quiet_hour_there_is_no_more_than_a_second_holds() {
        let start = Instant::now();
        let mut pace = Pace::shared(5, 1, start);
        assert_eq!(pace.allowed(start + Duration::from_secs(3600)), 5);
    }

    #[test]
    fn an_empty_bucket_says_when_there_is_a_token_again() {
        let start = Instant::now();
        let mut pace = Pace::shared(4, 1, start);
        assert_eq!(pace.allowed(start), 4);
        pace.take(4);
        assert_eq!(pace.allowed(start), 0);
        let wait = pace.wait();
        assert_eq!(wait, Duration::from_millis(250));
        assert_eq!(pace.allowed(start + wait), 1);
    }
}
