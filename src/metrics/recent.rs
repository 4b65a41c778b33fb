//! What leaves no trace in the database, kept over time: for each of a few stretches of time a
//! ring of slots, so that memory is bounded however long the program runs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many slots a stretch has.
const SLOTS: u64 = 60;

/// How long each stretch is, shortest first.
const STRETCHES: [Duration; 4] = [
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
];

/// What happened in one slot of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StretchSlot {
    /// How many reports of a cluster led to a resume.
    pub detections: u32,
    /// How long all of these took together.
    pub detection_sum: Duration,
    /// How long the slowest of them took.
    pub detection_slowest: Duration,
    /// How many requests to Kubernetes API servers there were.
    pub requests: u64,
    /// How many of those failed.
    pub failed_requests: u64,
    /// How late the oldest look at a waiting task was at the worst.
    pub overdue: Duration,
}

/// A stretch of time that ends now.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// How long each slot is.
    pub slot: Duration,
    /// How long ago the first slot began.
    pub begun: Duration,
    /// Oldest first; the last is the one that goes on.
    pub slots: Vec<StretchSlot>,
}

/// The stretches. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Recent {
    begun: Instant,
    rings: Arc<Mutex<[Ring; STRETCHES.len()]>>,
}

/// The slots of one stretch in which anything happened, by their numbers.
#[derive(Debug)]
struct Ring {
    slot: Duration,
    slots: VecDeque<(u64, StretchSlot)>,
}

impl Default for Recent {
    fn default() -> Self {
        Self::since(Instant::now())
    }
}

impl Recent {
    fn since(begun: Instant) -> Self {
        let ring = |length: Duration| Ring {
            slot: length / u32::try_from(SLOTS).unwrap_or(u32::MAX),
            slots: VecDeque::new(),
        };
        Self {
            begun,
            rings: Arc::new(Mutex::new(STRETCHES.map(ring))),
        }
    }

    /// A cluster's report led to a resume, `took` after it had arrived.
    pub(super) fn detected(&self, took: Duration, now: Instant) {
        self.record(now, |slot| {
            slot.detections = slot.detections.saturating_add(1);
            slot.detection_sum = slot.detection_sum.saturating_add(took);
            slot.detection_slowest = slot.detection_slowest.max(took);
        });
    }

    /// A request to a Kubernetes API server ended.
    pub(super) fn requested(&self, failed: bool, now: Instant) {
        self.record(now, |slot| {
            slot.requests += 1;
            slot.failed_requests += u64::from(failed);
        });
    }

    /// The oldest look at a waiting task is so late.
    pub fn overdue(&self, late: Duration, now: Instant) {
        if !late.is_zero() {
            self.record(now, |slot| slot.overdue = slot.overdue.max(late));
        }
    }

    fn record(&self, now: Instant, change: impl Fn(&mut StretchSlot)) {
        let age = now.saturating_duration_since(self.begun);
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        for ring in rings.iter_mut() {
            let number = number(age, ring.slot);
            // What comes late by a moment belongs to the slot that goes on.
            if ring.slots.back().is_none_or(|(last, _)| *last < number) {
                ring.slots.push_back((number, StretchSlot::default()));
            }
            while ring
                .slots
                .front()
                .is_some_and(|(first, _)| first + SLOTS <= number)
            {
                ring.slots.pop_front();
            }
            if let Some((_, slot)) = ring.slots.back_mut() {
                change(slot);
            }
        }
    }

    /// The stretch that is `length` long, or the next longer one that is kept.
    #[must_use]
    pub fn stretch(&self, length: Duration, now: Instant) -> Stretch {
        let age = now.saturating_duration_since(self.begun);
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = STRETCHES.iter().position(|kept| *kept >= length);
        let ring = &rings[wanted.unwrap_or(STRETCHES.len() - 1)];
        let last = number(age, ring.slot);
        let mut slots = vec![StretchSlot::default(); usize::try_from(SLOTS).unwrap_or_default()];
        for (number, slot) in &ring.slots {
            // The last slot has index SLOTS - 1; what is older than the first has none.
            let index = (number + SLOTS - 1).checked_sub(last);
            let place = index.and_then(|index| slots.get_mut(usize::try_from(index).ok()?));
            if let Some(place) = place {
                *place = *slot;
            }
        }
        let within = age.saturating_sub(
            ring.slot
                .saturating_mul(u32::try_from(last).unwrap_or(u32::MAX)),
        );
        Stretch {
            slot: ring.slot,
            begun: ring.slot * u32::try_from(SLOTS - 1).unwrap_or_default() + within,
            slots,
        }
    }
}

/// The number of the slot at `age`, counted from the beginning.
fn number(age: Duration, slot: Duration) -> u64 {
    u64::try_from(age.as_millis() / slot.as_millis().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const QUARTER: Duration = Duration::from_secs(15 * 60);

    #[test]
    fn what_happens_is_added_up_in_the_slot_that_goes_on() {
        let begun = Instant::now();
        let recent = Recent::since(begun);
        recent.detected(Duration::from_millis(4), begun);
        recent.detected(Duration::from_millis(10), begun + SECOND);
        recent.requested(false, begun + SECOND * 15);
        recent.requested(true, begun + SECOND * 16);
        recent.overdue(SECOND * 3, begun + SECOND * 17);
        recent.overdue(SECOND, begun + SECOND * 18);
        let stretch = recent.stretch(QUARTER, begun + SECOND * 20);
        assert_eq!(stretch.slot, SECOND * 15);
        assert_eq!(stretch.begun, SECOND * (59 * 15 + 5));
        assert_eq!(stretch.slots.len(), 60);
        let first = stretch.slots[58];
        assert_eq!((first.detections, first.requests), (2, 0));
        assert_eq!(first.detection_sum, Duration::from_millis(14));
        assert_eq!(first.detection_slowest, Duration::from_millis(10));
        let last = stretch.slots[59];
        assert_eq!((last.requests, last.failed_requests), (2, 1));
        assert_eq!(last.overdue, SECOND * 3);
    }

    #[test]
    fn what_is_older_than_a_stretch_is_gone_from_it_and_still_in_the_longer_ones() {
        let begun = Instant::now();
        let recent = Recent::since(begun);
        recent.requested(true, begun);
        let later = begun + QUARTER + SECOND;
        let all = |length: Duration| -> u64 {
            let stretch = recent.stretch(length, later);
            stretch.slots.iter().map(|slot| slot.requests).sum()
        };
        assert_eq!(all(QUARTER), 0);
        assert_eq!(all(QUARTER * 4), 1);
        assert_eq!(all(QUARTER * 96), 1);
    }

    #[test]
    fn memory_is_bounded_however_long_it_goes_on() {
        let begun = Instant::now();
        let recent = Recent::since(begun);
        for minute in 0..20_000 {
            recent.requested(false, begun + SECOND * 60 * minute);
        }
        let rings = recent.rings.lock().unwrap();
        for ring in rings.iter() {
            assert!(ring.slots.len() <= 60, "{}", ring.slots.len());
        }
    }
}
