//! Which object an object is: its name, and what no change may take from it.

use rand::RngExt;
use serde_json::{Map, Value, json};

/// What stays as it is whatever a change does: the kind, and these members of the metadata.
pub(super) struct Identity {
    kind: [(&'static str, Value); 2],
    metadata: [(&'static str, Option<Value>); 5],
}

impl Identity {
    pub fn of(tree: &Value) -> Self {
        let metadata = &tree["metadata"];
        Self {
            kind: ["kind", "apiVersion"].map(|member| (member, tree[member].clone())),
            metadata: [
                "name",
                "namespace",
                "uid",
                "creationTimestamp",
                "resourceVersion",
            ]
            .map(|member| (member, metadata.get(member).cloned())),
        }
    }

    pub fn restore(self, tree: &mut Value) {
        for (member, value) in self.kind {
            tree[member] = value;
        }
        for (member, value) in self.metadata {
            if let Some(value) = value {
                tree["metadata"][member] = value;
            }
        }
    }
}

/// `prefix` and five random characters, as the API server appends them: no vowels and nothing
/// that is easily misread.
pub(super) fn generated_name(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    const LONGEST_PREFIX: usize = 58;
    let mut name: String = prefix.chars().take(LONGEST_PREFIX).collect();
    let mut random = rand::rng();
    for _ in 0..5 {
        name.push(char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    }
    name
}

/// The metadata of a new object, in the order in which a reader expects them.
pub(super) fn created_metadata(mut given: Map<String, Value>, name: &str, version: u64) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    for member in ["generateName", "namespace"] {
        if let Some(value) = given.shift_remove(member) {
            metadata.insert(member.into(), value);
        }
    }
    metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("resourceVersion".into(), version.to_string().into());
    if let Some(generation) = given.shift_remove("generation") {
        metadata.insert("generation".into(), generation);
    }
    metadata.insert("creationTimestamp".into(), json!(super::now()));
    for (member, value) in given {
        metadata.entry(member).or_insert(value);
    }
    Value::Object(metadata)
}
