//! Server-side apply: a manager says what it wants, and takes nothing from others unasked.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::entries::{Entry, Operation, read, write};
use super::fields::Fields;
use crate::local_cluster::api::refusal::{Cause, Refusal};
use crate::local_cluster::api::strategic;
use crate::local_cluster::api::update::Part;
use crate::local_cluster::objects::{Resource, now};

/// Who owns what nobody has applied.
const BEFORE: &str = "before-first-apply";
/// Where the client that applies without the server's help keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What a manager applies.
pub(crate) struct Applied<'a> {
    /// The object as it is wanted, as far as the manager has an opinion.
    pub wanted: &'a Value,
    /// Who wants it.
    pub manager: &'a str,
    /// The part of the object that it is about; the rest of `wanted` says nothing.
    pub part: Part,
    /// Whether what others own may be taken from them.
    pub force: bool,
}

impl Applied<'_> {
    /// What of it is merged into the object.
    fn patch(&self) -> Cow<'_, Value> {
        match self.part {
            Part::Main => Cow::Borrowed(self.wanted),
            Part::Status => {
                let mut patch = json!({});
                if let Some(status) = self.wanted.get("status") {
                    patch["status"] = status.clone();
                }
                // These are no wishes but preconditions.
                for member in ["resourceVersion", "uid"] {
                    if let Some(value) = self.wanted["metadata"].get(member) {
                        patch["metadata"][member] = value.clone();
                    }
                }
                Cow::Owned(patch)
            }
        }
    }
}

/// Records the owner of a new object that was applied.
pub(crate) fn first(resource: Resource, applied: &Applied<'_>, object: &mut Value) {
    let fields = Fields::of(resource, applied.wanted, applied.part);
    let entry = Entry::new(
        resource,
        applied.manager,
        Operation::Apply,
        applied.part,
        fields,
    );
    write(&[entry], object);
}

/// What `current` becomes. `settle` checks and completes it, as far as values are to be compared.
pub(crate) fn apply(
    resource: Resource,
    current: &Value,
    applied: &Applied<'_>,
    settle: impl FnOnce(Value) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let part = applied.part;
    let wanted = Fields::of(resource, applied.wanted, part);
    let mut entries = read(&current["metadata"]["managedFields"]);
    if entries.is_empty() {
        let parts: &[Part] = match part {
            Part::Main => &[Part::Main],
            Part::Status => &[Part::Main, Part::Status],
        };
        for &part in parts {
            let all = Fields::of(resource, current, part);
            entries.push(Entry::new(resource, BEFORE, Operation::Update, part, all));
        }
    }
    let mut merged = current.clone();
    strategic::merge(resource, &mut merged, &applied.patch());
    let own = entries
        .iter()
        .position(|entry| entry.is_of(applied.manager, Operation::Apply, part));
    let mut others = Fields::default();
    for (index, entry) in entries.iter().enumerate() {
        if Some(index) != own {
            others.add(&entry.fields);
        }
    }
    if let Some(own) = own.and_then(|own| entries.get(own)) {
        // What it does not want any more goes, unless somebody else has it too.
        let mut dropped = own.fields.clone();
        dropped.take_away(&wanted);
        let mut kept = others.clone();
        kept.add(&wanted);
        dropped.remove_from(&mut merged, &kept);
    }
    let mut next = settle(merged)?;
    let changed = wanted.differing(current, &next);
    resolve(resource, current, applied, &changed, &mut entries)?;
    record(resource, applied, wanted, &mut entries);
    write(&entries, &mut next);
    Ok(next)
}

/// Takes what is changed from its owners, or refuses to.
fn resolve(
    resource: Resource,
    current: &Value,
    applied: &Applied<'_>,
    changed: &Fields,
    entries: &mut [Entry],
) -> Result<(), Refusal> {
    let part = applied.part;
    let own_before = last_applied(resource, current, applied);
    let mut conflicts = Vec::new();
    for entry in entries {
        if entry.is_of(applied.manager, Operation::Apply, part) {
            continue;
        }
        let taken = entry.fields.common(changed);
        let mut disputed = taken.clone();
        disputed.take_away(&own_before);
        for path in disputed.paths() {
            conflicts.push((described(entry), path));
        }
        entry.fields.take_away(&taken);
    }
    if conflicts.is_empty() || applied.force {
        return Ok(());
    }
    Err(refusal(&conflicts))
}

/// What the manager has applied to the object without the server's help is its own.
fn last_applied(resource: Resource, current: &Value, applied: &Applied<'_>) -> Fields {
    let last = current["metadata"]["annotations"][LAST_APPLIED].as_str();
    let last = last.and_then(|text| serde_json::from_str(text).ok());
    match last {
        Some(last) if applied.manager == "kubectl" => Fields::of(resource, &last, applied.part),
        Some(_) | None => Fields::default(),
    }
}

fn record(resource: Resource, applied: &Applied<'_>, wanted: Fields, entries: &mut Vec<Entry>) {
    let (manager, part) = (applied.manager, applied.part);
    let own = entries
        .iter_mut()
        .find(|entry| entry.is_of(manager, Operation::Apply, part));
    match own {
        Some(own) => {
            if own.fields != wanted {
                own.fields = wanted;
                own.time = Some(now());
            }
        }
        None => entries.push(Entry::new(
            resource,
            manager,
            Operation::Apply,
            part,
            wanted,
        )),
    }
}

fn described(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if let Some(subresource) = &entry.subresource {
        text.push_str(&format!(" with subresource {subresource:?}"));
    }
    text.push_str(&format!(" using {}", entry.version));
    if let (Operation::Update, Some(time)) = (entry.operation, &entry.time) {
        text.push_str(&format!(" at {time}"));
    }
    text
}

fn refusal(conflicts: &[(String, String)]) -> Refusal {
    let causes: Vec<Cause> = conflicts
        .iter()
        .map(|(owner, path)| Cause::owned(path, &format!("conflict with {owner}")))
        .collect();
    let message = match conflicts {
        [(owner, path)] => format!("Apply failed with 1 conflict: conflict with {owner}: {path}"),
        several => {
            let mut text = format!("Apply failed with {} conflicts:", several.len());
            let mut before = "";
            for (owner, path) in several {
                if owner != before {
                    text.push_str(&format!(" conflicts with {owner}:"));
                    before = owner;
                }
                text.push_str(&format!("\n- {path}"));
            }
            text
        }
    };
    Refusal::apply_conflicts(message, &causes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(
        current: &Value,
        manager: &str,
        wanted: Value,
        force: bool,
    ) -> Result<Value, Refusal> {
        let applied = Applied {
            wanted: &wanted,
            manager,
            part: Part::Main,
            force,
        };
        apply(Resource::ConfigMap, current, &applied, Ok)
    }

    fn map(data: Value) -> Value {
        json!({"metadata": {"name": "m"}, "data": data})
    }

    #[test]
    fn a_manager_that_wants_something_else_of_a_field_is_told_whose_it_is() {
        let mut object = map(json!({"a": "1"}));
        let wanted = map(json!({"a": "1"}));
        let one = Applied {
            wanted: &wanted,
            manager: "one",
            part: Part::Main,
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let shared = applied(&object, "two", map(json!({"a": "1", "b": "2"})), false).unwrap();
        assert_eq!(shared["data"], json!({"a": "1", "b": "2"}));
        let refused = applied(&shared, "two", map(json!({"a": "3"})), false).unwrap_err();
        assert_eq!(refused.code, 409);
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"one\" using v1: .data.a"
        );
        let forced = applied(&shared, "two", map(json!({"a": "3"})), true).unwrap();
        // What it no longer wants is gone, and the first manager has lost its field.
        assert_eq!(forced["data"], json!({"a": "3"}));
        let refused = applied(&forced, "one", map(json!({"a": "1"})), false).unwrap_err();
        assert!(refused.message.contains("\"two\""), "{}", refused.message);
    }

    #[test]
    fn what_another_manager_wants_too_stays_when_one_drops_it() {
        let mut object = map(json!({"a": "1"}));
        let wanted = map(json!({"a": "1"}));
        let one = Applied {
            wanted: &wanted,
            manager: "one",
            part: Part::Main,
            force: false,
        };
        first(Resource::ConfigMap, &one, &mut object);
        let both = applied(&object, "two", map(json!({"a": "1"})), false).unwrap();
        let left = applied(&both, "one", map(json!({})), false).unwrap();
        assert_eq!(left["data"], json!({"a": "1"}));
        let gone = applied(&left, "two", map(json!({})), false).unwrap();
        assert_eq!(gone["data"], json!({}));
    }

    #[test]
    fn what_was_there_before_the_first_apply_has_an_owner() {
        let before = map(json!({"a": "1", "b": "2"}));
        let same = applied(&before, "one", map(json!({"a": "1"})), false).unwrap();
        assert_eq!(same["data"], json!({"a": "1", "b": "2"}));
        let refused = applied(&before, "one", map(json!({"a": "2"})), false).unwrap_err();
        assert!(refused.message.contains(BEFORE), "{}", refused.message);
    }
}
