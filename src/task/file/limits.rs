//! How large a task file may be.
//!
//! The bounds are far above what anybody writes by hand and low enough that a file that breaks
//! them costs next to nothing: whoever may submit must not be able to hold up a daemon.

/// The largest task file or pod template file, in bytes. An API server takes no larger pod than
/// about 1.5 MB.
pub const LARGEST_FILE: usize = 4 << 20;

/// How many tasks one file may hold.
pub const MOST_TASKS: usize = 10_000;

/// How deeply lists and mappings may be nested. What is stored is JSON, and its reader ends at
/// 128.
pub const DEEPEST: usize = 100;

/// How many values a file may hold, with what aliases repeat.
pub(crate) const MOST_VALUES: usize = 500_000;

/// How many values aliases may repeat.
pub(crate) const MOST_REPEATED: usize = 100_000;

/// What is said of a file of that many bytes or more, if that is too many.
#[must_use]
pub fn too_large(bytes: usize) -> Option<String> {
    (bytes > LARGEST_FILE).then(|| {
        format!(
            "is larger than {} MiB: split it, and let pods fetch large data themselves",
            LARGEST_FILE >> 20
        )
    })
}

/// How deeply a value is nested: 0 for a text or a number.
pub(crate) fn depth(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
    }
}
