//! What tasks, groups and runs may be called.

/// The longest name of a task or a group.
const LONGEST_KEY: usize = 250;

/// What is wrong with the name of a task or a group.
pub(super) fn key_fault(name: &str) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    fault(
        name,
        plain,
        "must be made of letters, digits, dashes, dots and underscores",
    )
}

/// What is wrong with the name of a run. A slash would make `dag_id/task_id/run_id` ambiguous.
pub(super) fn run_fault(name: &str) -> Option<String> {
    let plain = |c: char| c != '/' && !c.is_whitespace() && !c.is_control();
    fault(
        name,
        plain,
        "must have no slash, no white space and no control character",
    )
}

fn fault(name: &str, may_have: impl Fn(char) -> bool, otherwise: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        Some("must not be empty".to_owned())
    } else if length > LONGEST_KEY {
        Some(format!(
            "must have at most {LONGEST_KEY} characters, has {length}"
        ))
    } else if !name.chars().all(may_have) {
        Some(otherwise.to_owned())
    } else {
        None
    }
}
