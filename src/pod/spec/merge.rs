//! Laying one pod over another: which value wins, which lists grow.
//!
//! A later value replaces an earlier one only if it says something: `false`, 0, empty text, an
//! empty list and an empty free map never override. An empty typed object (`resources: {}`) does.

use serde_json::{Map, Value};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Lists of a container that grow where the rest is replaced.
const GROWING: [&str; 5] = ["volumeMounts", "env", "envFrom", "ports", "volumeDevices"];

/// Fields that are free maps, where an empty value says nothing.
const FREE_MAPS: [&str; 4] = ["labels", "annotations", "nodeSelector", "overhead"];

/// An init container that the merge would lose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "two init containers are called {0:?} and a template has that name too: \
     only one of them could be kept, so give them different names"
)]
pub struct LostInitContainer(pub String);

/// Lays `over` over `base`, both whole pods.
pub(super) fn pods(base: Object, mut over: Object) -> Result<Object, LostInitContainer> {
    let mut base = base;
    let spec = both(base.remove("spec"), over.remove("spec"), specs)?;
    let metadata = both(
        base.remove("metadata"),
        over.remove("metadata"),
        |base, over| Ok(metadata(base, over)),
    )?;
    let mut pod = fields(base, over);
    pod.insert("metadata".to_owned(), metadata.unwrap_or_default().into());
    if let Some(spec) = spec {
        pod.insert("spec".to_owned(), spec.into());
    }
    Ok(pod)
}

/// Merges two objects of which either may be absent.
fn both(
    base: Option<Value>,
    over: Option<Value>,
    merge: impl FnOnce(Object, Object) -> Result<Object, LostInitContainer>,
) -> Result<Option<Object>, LostInitContainer> {
    match (base.and_then(object), over.and_then(object)) {
        (Some(base), Some(over)) => merge(base, over).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

fn object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_),
        )
        | None => Vec::new(),
    }
}

/// Whether a later value of the field replaces an earlier one.
fn says_something(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty() || !FREE_MAPS.contains(&field),
    }
}

/// Field by field: the later value if it says something, else the earlier one.
fn fields(base: Object, mut over: Object) -> Object {
    for (field, value) in base {
        let kept = over
            .get(&field)
            .is_some_and(|later| says_something(&field, later));
        if !kept && says_something(&field, &value) {
            over.insert(field, value);
        } else if !over.contains_key(&field) {
            // A false or an empty list that nothing contradicts is still what was asked for.
            over.insert(field, value);
        }
    }
    over
}

fn metadata(mut base: Object, mut over: Object) -> Object {
    for field in ["labels", "annotations"] {
        let Some(mut merged) = base.remove(field).and_then(object) else {
            continue;
        };
        if let Some(later) = over.remove(field).and_then(object) {
            merged.extend(later);
        }
        over.insert(field.to_owned(), merged.into());
    }
    fields(base, over)
}

fn specs(mut base: Object, mut over: Object) -> Result<Object, LostInitContainer> {
    let containers = containers(
        list(base.remove("containers")),
        list(over.remove("containers")),
    );
    let init_containers = init_containers(
        list(base.remove("initContainers")),
        list(over.remove("initContainers")),
    )?;
    grow(&mut base, &mut over, "volumes");
    let mut spec = fields(base, over);
    spec.insert("containers".to_owned(), containers.into());
    spec.insert("initContainers".to_owned(), init_containers.into());
    Ok(spec)
}

/// Puts the earlier list in front of the later one.
fn grow(base: &mut Object, over: &mut Object, field: &str) {
    let mut items = list(base.remove(field));
    if items.is_empty() {
        return;
    }
    items.extend(list(over.remove(field)));
    over.insert(field.to_owned(), items.into());
}

fn container(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(mut over)) => {
            for field in GROWING {
                grow(&mut base, &mut over, field);
            }
            fields(base, over).into()
        }
        (_, over) => over,
    }
}

/// Containers merge by position, whatever they are called.
fn containers(base: Vec<Value>, over: Vec<Value>) -> Vec<Value> {
    let mut base = base.into_iter();
    let mut over = over.into_iter();
    let mut merged = Vec::with_capacity(base.len().max(over.len()));
    loop {
        match (base.next(), over.next()) {
            (Some(base), Some(over)) => merged.push(container(base, over)),
            (Some(one), None) | (None, Some(one)) => merged.push(one),
            (None, None) => return merged,
        }
    }
}

/// Init containers merge by name, in the order of the earlier list.
fn init_containers(base: Vec<Value>, over: Vec<Value>) -> Result<Vec<Value>, LostInitContainer> {
    if base.is_empty() {
        return Ok(over);
    }
    if over.is_empty() {
        return Ok(base);
    }
    let name = |container: &Value| container["name"].as_str().unwrap_or_default().to_owned();
    let base_names: Vec<String> = base.iter().map(name).collect();
    for (index, one) in over.iter().enumerate() {
        let name_of = name(one);
        let twice = over[index + 1..].iter().any(|other| name(other) == name_of);
        if twice && base_names.contains(&name_of) {
            return Err(LostInitContainer(name_of));
        }
    }
    let mut merged = Vec::with_capacity(base.len() + over.len());
    for earlier in base {
        let later = over.iter().find(|later| name(later) == name(&earlier));
        merged.push(match later {
            Some(later) => container(earlier, later.clone()),
            None => earlier,
        });
    }
    merged.extend(
        over.into_iter()
            .filter(|later| !base_names.contains(&name(later))),
    );
    Ok(merged)
}
