//! Any JSON as a pod that an API server shows: observed and judged, whatever is missing or odd.
#![no_main]

use adjourn::pod::observe::{hopeless_start, judge, observe};
use k8s_openapi::api::core::v1::Pod;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(pod) = serde_json::from_str::<Pod>(text) else {
        return;
    };
    let observation = observe(&pod);
    let _ = judge(&observation, "base");
    let _ = hopeless_start(&observation);
    let stored = serde_json::to_string(&observation).expect("an observation can be stored");
    let read = serde_json::from_str(&stored).expect("and read again");
    assert_eq!(observation, read);
});
