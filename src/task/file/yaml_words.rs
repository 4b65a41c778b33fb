//! What the YAML parser has to say, in words for the writer of a file.

use super::limits;

/// What is wrong, in words for the writer of the file.
pub(super) fn words(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        return match key {
            Some(key) => format!("{key}: the key stands here a second time"),
            None => "the key stands here a second time".to_owned(),
        };
    }
    if let serde_saphyr::Error::NonFiniteFloat { .. } = error {
        return "a number must be finite: put it in quotes if text is meant".to_owned();
    }
    if let serde_saphyr::Error::NullIntoString { .. } = error {
        return "a key must not be null".to_owned();
    }
    if let serde_saphyr::Error::Budget { breach, .. } = error {
        return excess(breach);
    }
    syntax(&error.render())
}

fn too_deep() -> String {
    format!(
        "is nested more than {} levels deep here, and a task file may not be",
        limits::DEEPEST
    )
}

/// What there is too much of.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's own list of bounds, which grows"
)]
fn excess(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach;
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Documents { .. } => format!(
            "holds more than {} documents: split the file",
            limits::MOST_TASKS
        ),
        BudgetBreach::Events { .. } | BudgetBreach::Nodes { .. } => format!(
            "holds more than {} values, with those that aliases repeat: split the file",
            limits::MOST_VALUES
        ),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::MergeKeys { .. } => {
            "holds too many anchors and aliases: write out what is needed".to_owned()
        }
        _ => "is larger than a task file may be: split it".to_owned(),
    }
}

/// The parser's own sentence carries the position at its end; ours stands in front. What people
/// most often did to get there is said too.
fn syntax(sentence: &str) -> String {
    let first = sentence.lines().next().unwrap_or_default();
    let fault = match first.rfind(" at line ") {
        Some(end) => &first[..end],
        None => first,
    };
    if fault.starts_with("recursion limit exceeded") {
        return too_deep();
    }
    if fault.starts_with("alias replay limit exceeded") {
        return format!(
            "aliases repeat more than {} values here: write out what is needed",
            limits::MOST_REPEATED
        );
    }
    let hint = HINTS.iter().find(|(words, _)| fault.contains(words));
    format!(
        "not valid YAML: {}{}",
        fault,
        hint.map_or("", |(_, hint)| hint)
    )
}

/// What people most often did where the parser uses these words.
const HINTS: [(&str, &str); 11] = [
    (
        "mapping values are not allowed",
        ": is the indentation right? Text with a colon in it needs quotes",
    ),
    ("found a tab", ": indent with spaces"),
    ("tabs disallowed", ": indent with spaces"),
    (
        "unknown escape character",
        ": use single quotes to keep backslashes as they are",
    ),
    ("expected string scalar", ": a key must be text"),
    (
        "illegal placement of ':'",
        ": is a bracket or a quote open before it?",
    ),
    ("did not find expected key", ": is the indentation right?"),
    (
        "implicit flow mapping",
        ": is there a comma or a bracket too many?",
    ),
    (
        "recursive references",
        ": an alias must not repeat what it is part of",
    ),
    ("unexpected character", ": is this a text file?"),
    ("unsupported tag", ": leave the tag away"),
];
