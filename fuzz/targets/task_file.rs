//! Any text as a task file: read, kept, read again, and planned as a pod.
#![no_main]

use adjourn::task::file::{TaskFile, from_value, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(text, "fuzz.yaml") {
        Ok(tasks) => {
            assert!(!tasks.is_empty());
            for task in tasks {
                let stored = serde_json::to_string(&task).expect("a task can be stored");
                let read: TaskFile = serde_json::from_str(&stored).expect("and read again");
                let again = serde_json::to_string(&read).expect("and stored again");
                assert_eq!(stored, again, "what is stored is read as it was");
                adjourn_fuzz::plan(&task, false);
                adjourn_fuzz::plan(&read, true);
            }
        }
        Err(errors) => assert!(!errors.problems.is_empty()),
    }
    if let Ok(value) = serde_json::from_str(text) {
        let _ = from_value(&value, "fuzz.json");
    }
});
