//! Gathering what is wrong with a pod.

use serde_json::{Map, Value};

use crate::task::file::problem::{child, element};

/// One thing that the API server would refuse, or that it would take and that is most likely a
/// mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the pod, such as `spec.containers[0].image`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A place in the pod, and the list that violations go to.
pub(super) struct Check<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
}

/// The violations found so far.
pub(super) type Found = Vec<Violation>;

impl<'a> Check<'a> {
    pub(super) fn root(pod: &'a Value) -> Self {
        Self {
            value: pod,
            path: String::new(),
        }
    }

    /// A member that is there and not null.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        self.value
            .get(name)
            .filter(|value| !value.is_null())
            .map(|value| Self {
                value,
                path: child(&self.path, name),
            })
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<(&'a str, String)> {
        let text = self.value.get(name)?.as_str()?;
        Some((text, child(&self.path, name)))
    }

    /// A member that is text with something in it.
    pub(super) fn some_text(&self, name: &str) -> Option<(&'a str, String)> {
        self.text(name).filter(|(text, _)| !text.is_empty())
    }

    /// The elements of a member that is a list.
    pub(super) fn elements(&self, name: &str) -> Vec<Self> {
        let path = child(&self.path, name);
        self.value
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, value)| Self {
                value,
                path: element(&path, index),
            })
            .collect()
    }

    /// The members of a member that is a map.
    pub(super) fn map(&self, name: &str) -> Option<(&'a Map<String, Value>, String)> {
        let map = self.value.get(name)?.as_object()?;
        Some((map, child(&self.path, name)))
    }

    pub(super) fn at(&self, name: &str) -> String {
        child(&self.path, name)
    }
}

pub(super) fn tell(found: &mut Found, path: String, message: impl Into<String>) {
    found.push(Violation {
        path,
        message: message.into(),
    });
}

/// Tells what `fault` finds wrong with a text member.
pub(super) fn text_with(
    check: &Check<'_>,
    name: &str,
    found: &mut Found,
    fault: impl Fn(&str) -> Option<String>,
) {
    if let Some((text, path)) = check.some_text(name)
        && let Some(message) = fault(text)
    {
        tell(found, path, message);
    }
}

/// Tells if a text member is none of `words`. Empty text stands for the default.
pub(super) fn one_of(check: &Check<'_>, name: &str, words: &[&str], found: &mut Found) {
    if let Some((text, path)) = check.some_text(name)
        && !words.contains(&text)
    {
        tell(
            found,
            path,
            format!("{text:?} is not allowed: use one of {}", words.join(", ")),
        );
    }
}

/// Tells if a number is outside a range.
pub(super) fn between(check: &Check<'_>, name: &str, min: i64, max: i64, found: &mut Found) {
    if let Some(number) = check.value.get(name).and_then(Value::as_i64)
        && !(min..=max).contains(&number)
    {
        tell(
            found,
            check.at(name),
            format!("must be from {min} to {max}, is {number}"),
        );
    }
}

/// Tells texts that stand at more than one place.
pub(super) fn unique<'a>(
    texts: impl IntoIterator<Item = (&'a str, String)>,
    found: &mut Found,
    message: impl Fn(&str) -> String,
) {
    let mut seen = std::collections::BTreeSet::new();
    for (text, path) in texts {
        if !seen.insert(text) {
            tell(found, path, message(text));
        }
    }
}
