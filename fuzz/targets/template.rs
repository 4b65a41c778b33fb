//! Any text as a template of a task and as a line template: it ends, and in bounded memory.
#![no_main]

use std::collections::BTreeMap;

use adjourn::task::template::{LogFormatter, TemplateContext, render_text};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    let params = json!({
        "who": "you", "many": [1, 2.5, null, true], "deep": {"a": {"b": "c"}}, "large": u64::MAX,
    });
    let context = TemplateContext {
        params: params.as_object().cloned().unwrap_or_default(),
        dag_id: "group".to_owned(),
        task_id: "task".to_owned(),
        run_id: "manual__1".to_owned(),
        map_index: -1,
        try_number: 1,
        logical_date: chrono::DateTime::UNIX_EPOCH,
        env: BTreeMap::from([("HOME".to_owned(), "/home/somebody".to_owned())]),
    };
    match render_text("image", text, &context) {
        Ok(_) => {}
        Err(error) => assert!(error.to_string().starts_with("image: ")),
    }
    if let Ok(formatter) = LogFormatter::new(text) {
        let _ = formatter.format("base", "a line");
    }
});
