//! What tasks, groups and runs may be called.

/// The longest name of a task or a group.
const LONGEST_KEY: usize = 250;

/// What is wrong with the name of a task or a group.
pub(super) fn key_fault(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        Some("must not be empty".to_owned())
    } else if length > LONGEST_KEY {
        Some(format!(
            "must have at most {LONGEST_KEY} characters, has {length}"
        ))
    } else if !name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    {
        Some("must be made of letters, digits, dashes, dots and underscores".to_owned())
    } else {
        None
    }
}

/// What is wrong with the name of a run. A slash would make `dag_id/task_id/run_id` ambiguous.
pub(super) fn run_fault(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        Some("must not be empty".to_owned())
    } else if length > LONGEST_KEY {
        Some(format!(
            "must have at most {LONGEST_KEY} characters, has {length}"
        ))
    } else if name
        .chars()
        .any(|c| c == '/' || c.is_whitespace() || c.is_control())
    {
        Some("must have no slash, no white space and no control character".to_owned())
    } else {
        None
    }
}
