//! Every state with every event, as one literal table.

use chrono::{DateTime, Utc};

use super::*;

fn at(second: i64) -> Timestamp {
    DateTime::<Utc>::from_timestamp(second, 0).unwrap()
}

const NOW: i64 = 100;

/// The states that differ in what they allow, by a short name. Moments: 50 is past, 100 is now,
/// 150 is to come.
fn states() -> Vec<(&'static str, TaskState)> {
    let queued = |entry, not_before| TaskState::Queued {
        entry,
        not_before: at(not_before),
    };
    let running = |entry, lease_until, cancelling| TaskState::Running {
        entry,
        lease_until: at(lease_until),
        cancelling,
    };
    vec![
        ("queued", queued(Entry::Execute, 50)),
        ("queued/later", queued(Entry::Execute, 150)),
        ("queued/reentry", queued(Entry::Reentry, 50)),
        ("queued/kill", queued(Entry::Kill, 50)),
        ("running", running(Entry::Execute, 150, false)),
        ("running/lapsed", running(Entry::Execute, 100, false)),
        ("running/cancelling", running(Entry::Execute, 150, true)),
        ("reentry", running(Entry::Reentry, 150, false)),
        ("reentry/cancelling", running(Entry::Reentry, 150, true)),
        ("kill", running(Entry::Kill, 150, false)),
        ("deferred", TaskState::Deferred),
        (
            "up_for_retry/due",
            TaskState::UpForRetry { retry_at: at(100) },
        ),
        (
            "up_for_retry/later",
            TaskState::UpForRetry { retry_at: at(150) },
        ),
        ("success", TaskState::Success),
        ("failed", TaskState::Failed),
        ("skipped", TaskState::Skipped),
        ("cancelled", TaskState::Cancelled),
    ]
}

fn events() -> Vec<(&'static str, TaskEvent)> {
    vec![
        (
            "claim",
            TaskEvent::Claim {
                lease_until: at(150),
            },
        ),
        (
            "renew",
            TaskEvent::Renew {
                lease_until: at(150),
            },
        ),
        ("defer", TaskEvent::Defer),
        ("fire", TaskEvent::Fire),
        ("complete", TaskEvent::Complete),
        ("skip", TaskEvent::Skip),
        ("fail", TaskEvent::Fail { retry_at: None }),
        (
            "fail/retry",
            TaskEvent::Fail {
                retry_at: Some(at(150)),
            },
        ),
        ("killed", TaskEvent::Killed),
        ("postpone", TaskEvent::Postpone { until: at(150) }),
        ("release", TaskEvent::Release),
        ("reclaim", TaskEvent::Reclaim { owner_dead: false }),
        ("reclaim/dead", TaskEvent::Reclaim { owner_dead: true }),
        ("cancel", TaskEvent::Cancel),
        ("retry_due", TaskEvent::RetryDue),
        ("retry", TaskEvent::Retry),
    ]
}

/// `state event -> state after : effects`; what is not listed is illegal.
const TABLE: &str = "
queued claim -> running : RaiseFence BeginAttempt
queued cancel -> queued/kill@now : ForgetEvent
queued/later cancel -> queued/kill@now : ForgetEvent
queued/reentry claim -> reentry : RaiseFence
queued/reentry cancel -> queued/kill@now : ForgetEvent
queued/kill claim -> kill : RaiseFence
queued/kill cancel -> queued/kill :

running renew -> running :
running defer -> deferred : ForgetEvent ArmTrigger
running complete -> success : ForgetEvent Finish
running skip -> skipped : ForgetEvent Finish
running fail -> failed : ForgetEvent Finish
running fail/retry -> up_for_retry/later : ForgetEvent
running postpone -> queued/later :
running release -> queued@now :
running reclaim/dead -> queued@now : RaiseFence
running cancel -> running/cancelling :

running/lapsed renew -> running :
running/lapsed defer -> deferred : ForgetEvent ArmTrigger
running/lapsed complete -> success : ForgetEvent Finish
running/lapsed skip -> skipped : ForgetEvent Finish
running/lapsed fail -> failed : ForgetEvent Finish
running/lapsed fail/retry -> up_for_retry/later : ForgetEvent
running/lapsed postpone -> queued/later :
running/lapsed release -> queued@now :
running/lapsed reclaim -> queued@now : RaiseFence
running/lapsed reclaim/dead -> queued@now : RaiseFence
running/lapsed cancel -> running/cancelling@now :

running/cancelling renew -> running/cancelling :
running/cancelling defer -> queued/kill@now : ForgetEvent
running/cancelling complete -> success : ForgetEvent Finish
running/cancelling skip -> skipped : ForgetEvent Finish
running/cancelling fail -> cancelled : ForgetEvent Finish
running/cancelling fail/retry -> cancelled : ForgetEvent Finish
running/cancelling killed -> cancelled : ForgetEvent Finish
running/cancelling postpone -> queued/kill@later :
running/cancelling release -> queued/kill@now :
running/cancelling reclaim/dead -> queued/kill@now : RaiseFence
running/cancelling cancel -> running/cancelling :

reentry renew -> reentry :
reentry defer -> deferred : ForgetEvent ArmTrigger
reentry complete -> success : ForgetEvent Finish
reentry skip -> skipped : ForgetEvent Finish
reentry fail -> failed : ForgetEvent Finish
reentry fail/retry -> up_for_retry/later : ForgetEvent
reentry postpone -> queued/reentry@later :
reentry release -> queued/reentry@now :
reentry reclaim/dead -> queued/reentry@now : RaiseFence
reentry cancel -> reentry/cancelling :

reentry/cancelling renew -> reentry/cancelling :
reentry/cancelling defer -> queued/kill@now : ForgetEvent
reentry/cancelling complete -> success : ForgetEvent Finish
reentry/cancelling skip -> skipped : ForgetEvent Finish
reentry/cancelling fail -> cancelled : ForgetEvent Finish
reentry/cancelling fail/retry -> cancelled : ForgetEvent Finish
reentry/cancelling killed -> cancelled : ForgetEvent Finish
reentry/cancelling postpone -> queued/kill@later :
reentry/cancelling release -> queued/kill@now :
reentry/cancelling reclaim/dead -> queued/kill@now : RaiseFence
reentry/cancelling cancel -> reentry/cancelling :

kill renew -> kill :
kill killed -> cancelled : ForgetEvent Finish
kill postpone -> queued/kill@later :
kill release -> queued/kill@now :
kill reclaim/dead -> queued/kill@now : RaiseFence
kill cancel -> kill :

deferred fire -> queued/reentry@now : RaiseFence DisarmTrigger KeepEvent CountResume
deferred cancel -> queued/kill@now : RaiseFence DisarmTrigger

up_for_retry/due retry_due -> queued@now : RaiseTry
up_for_retry/due retry -> queued@now : RaiseTry
up_for_retry/due cancel -> cancelled : Finish
up_for_retry/later retry -> queued@now : RaiseTry
up_for_retry/later cancel -> cancelled : Finish

failed retry -> queued@now : Reopen RaiseTry
skipped retry -> queued@now : Reopen RaiseTry
cancelled retry -> queued@now : Reopen RaiseTry
";

/// A state by its short name; `@now` and `@later` move its moment.
fn named(name: &str) -> TaskState {
    let (name, moment) = match name.split_once('@') {
        Some((name, "now")) => (name, Some(at(NOW))),
        Some((name, "later")) => (name, Some(at(150))),
        Some((_, other)) => panic!("no such moment: {other}"),
        None => (name, None),
    };
    let state = states()
        .into_iter()
        .find_map(|(known, state)| (known == name).then_some(state))
        .unwrap_or_else(|| panic!("no such state: {name}"));
    match (state, moment) {
        (TaskState::Queued { entry, .. }, Some(not_before)) => {
            TaskState::Queued { entry, not_before }
        }
        (
            TaskState::Running {
                entry, cancelling, ..
            },
            Some(lease_until),
        ) => TaskState::Running {
            entry,
            lease_until,
            cancelling,
        },
        (state, None) => state,
        (state, Some(_)) => panic!("{state:?} has no moment"),
    }
}

#[test]
fn every_state_answers_every_event_as_the_table_says() {
    let mut expected = std::collections::HashMap::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let (left, right) = line.split_once(" -> ").unwrap();
        let (target, effects) = right.split_once(" :").unwrap();
        let (state, event) = left.split_once(' ').unwrap();
        let effects = effects.trim().to_owned();
        let earlier = expected.insert((state, event), (named(target), effects));
        assert!(earlier.is_none(), "{left} is listed twice");
    }
    let mut checked = 0;
    for (state_name, state) in states() {
        for (event_name, event) in events() {
            let got = apply(state, event, at(NOW));
            match expected.remove(&(state_name, event_name)) {
                Some((target, effects)) => {
                    let got =
                        got.unwrap_or_else(|error| panic!("{state_name} {event_name}: {error}"));
                    let names: Vec<String> = got
                        .effects
                        .iter()
                        .map(|effect| format!("{effect:?}"))
                        .collect();
                    assert_eq!(got.state, target, "{state_name} {event_name}");
                    assert_eq!(names.join(" "), effects, "{state_name} {event_name}");
                }
                None => assert_eq!(
                    got,
                    Err(IllegalTransition { state, event }),
                    "{state_name} {event_name}"
                ),
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 17 * 16);
    assert!(
        expected.is_empty(),
        "the table names unknown pairs: {expected:?}"
    );
}

#[test]
fn a_final_state_is_left_only_by_a_persons_retry() {
    for (name, state) in states() {
        if !state.is_final() {
            continue;
        }
        for (event_name, event) in events() {
            let moved = apply(state, event, at(NOW)).is_ok();
            assert!(!moved || event == TaskEvent::Retry, "{name} {event_name}");
        }
    }
}

#[test]
fn every_write_of_a_former_holder_is_fenced_off() {
    // Whoever takes a task, or takes it away, raises the fence.
    for (name, state) in states() {
        for (event_name, event) in events() {
            let Ok(transition) = apply(state, event, at(NOW)) else {
                continue;
            };
            let takes = matches!(
                event,
                TaskEvent::Claim { .. } | TaskEvent::Reclaim { .. } | TaskEvent::Fire
            );
            let fenced = transition.effects.contains(&Effect::RaiseFence);
            assert!(fenced || !takes, "{name} {event_name}");
        }
    }
}

#[test]
fn the_lists_of_states_say_what_the_table_says() {
    for (name, state) in states() {
        let word = state.as_str();
        assert_eq!(FINAL_STATES.contains(&word), state.is_final(), "{name}");
        assert_eq!(OPEN_STATES.contains(&word), !state.is_final(), "{name}");
        let may_be_retried = apply(state, TaskEvent::Retry, at(NOW)).is_ok();
        assert_eq!(RETRYABLE_STATES.contains(&word), may_be_retried, "{name}");
    }
    for word in OPEN_STATES {
        let of_it = |(_, state): &(&str, TaskState)| state.as_str() == word;
        let mut all = states().into_iter().filter(of_it);
        let can = all.any(|(_, state)| apply(state, TaskEvent::Cancel, at(NOW)).is_ok());
        assert!(can, "{word}");
    }
}
