//! What an event makes of a task's state.

use adjourn::task::state::{Entry, TaskEvent, TaskState, apply};
use chrono::{DateTime, TimeDelta};

#[divan::bench]
fn apply_claim_defer_fire(bencher: divan::Bencher<'_, '_>) {
    let now = DateTime::UNIX_EPOCH;
    let lease_until = now + TimeDelta::seconds(30);
    let queued = TaskState::Queued {
        entry: Entry::Execute,
        not_before: now,
    };
    bencher.bench(|| {
        let mut state = divan::black_box(queued);
        let events = [
            TaskEvent::Claim { lease_until },
            TaskEvent::Defer,
            TaskEvent::Fire,
        ];
        for event in events {
            let Ok(next) = apply(state, event, now) else {
                panic!("{state:?} takes no {event:?}");
            };
            state = next.state;
        }
        state
    });
}
