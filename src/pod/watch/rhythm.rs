//! How often those who wait want the cluster itself looked at, and by whose clock.

use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::slot::{Slot, lock};
use crate::clock::Clock;

impl Board {
    /// Wants the watch verified this often from now on, and to look again when `clock` was set.
    pub(super) fn add_rhythm(&self, every: Duration, clock: &Clock) {
        self.clock.get_or_init(|| clock.clone());
        let mut state = lock(&self.state);
        let fastest = state.rhythms.keys().next().copied();
        *state.rhythms.entry(every).or_default() += 1;
        drop(state);
        if fastest.is_none_or(|fastest| every < fastest) {
            self.wake_verifier.notify_one();
        }
    }

    /// Takes back what was said with [`Board::add_rhythm`].
    pub(super) fn remove_rhythm(&self, every: Duration) {
        let mut state = lock(&self.state);
        if let Some(count) = state.rhythms.get_mut(&every) {
            *count -= 1;
            if *count == 0 {
                state.rhythms.remove(&every);
            }
        }
    }

    /// How often the watch is to be verified: as often as the most impatient waiter wants.
    pub(super) fn rhythm(&self) -> Option<Duration> {
        lock(&self.state).rhythms.keys().next().copied()
    }

    /// The clock by which those who wait count their moments.
    pub(super) fn clock(&self) -> Option<&Clock> {
        self.clock.get()
    }

    /// Lets everybody look at what is known once more: by now it may mean something else.
    pub(super) fn show_all_again(&self) {
        let slots: Vec<Arc<Slot>> = lock(&self.state).slots.values().cloned().collect();
        for slot in slots {
            let wakers = slot.lock().show_again();
            wakers.wake();
        }
    }
}
