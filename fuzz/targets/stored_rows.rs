//! Any JSON in the columns of the database that hold some: read or refused, and what was read can
//! be acted upon.
#![no_main]

use adjourn::pod::observe::{PodObservation, hopeless_start, judge};
use adjourn::task::deferral::{TriggerEvent, TriggerSpec};
use adjourn::task::file::TaskFile;
use adjourn::task::pods::{ConnectionOverrides, PodIdentity};
use adjourn::task::retry::RetryPolicy;
use adjourn::trigger::pod::{FirstSeen, PodTriggerKwargs, decide, errors_before, next_moment};
use adjourn::trigger::time::TimeTriggerKwargs;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;

fuzz_target!(|text: &str| {
    if let Ok(task) = serde_json::from_str::<TaskFile>(text) {
        adjourn_fuzz::plan(&task, true);
    }
    if let Ok(policy) = serde_json::from_str::<RetryPolicy>(text) {
        for try_number in [0, 1, 7, u32::MAX] {
            let _ = policy.delay(try_number, &mut StdRng::seed_from_u64(1));
        }
    }
    if let Ok(event) = serde_json::from_str::<TriggerEvent>(text) {
        let _ = errors_before(&event);
        observed(event.payload);
    }
    let _ = serde_json::from_str::<ConnectionOverrides>(text);
    let Ok(kwargs) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    let spec = TriggerSpec {
        kind: "pod".to_owned(),
        version: 1,
        kwargs: kwargs.clone(),
        next_log_at: None,
    };
    let _ = TimeTriggerKwargs::from_spec(&spec);
    if let Ok(read) = PodTriggerKwargs::from_spec(&spec) {
        assert_eq!(
            PodTriggerKwargs::from_spec(&read.to_spec()).as_ref(),
            Ok(&read)
        );
        let unseen = PodObservation::unseen(PodIdentity {
            namespace: "default".to_owned(),
            name: "a".to_owned(),
            uid: "u".to_owned(),
        });
        for now in [DateTime::UNIX_EPOCH, DateTime::<chrono::Utc>::MAX_UTC, DateTime::<chrono::Utc>::MIN_UTC] {
            let seen = FirstSeen::default().and(&unseen, now);
            let _ = decide(&read.terms, seen, &unseen, now);
            let _ = next_moment(&read.terms, seen, &unseen);
            let _ = read.terms.poll_interval();
        }
    }
    observed(kwargs);
});

fn observed(value: serde_json::Value) {
    if let Ok(observation) = serde_json::from_value::<PodObservation>(value) {
        let _ = judge(&observation, "base");
        let _ = hopeless_start(&observation);
    }
}
