//! One version of an object: its JSON, written once, and its tree for as long as it is looked at.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

/// One version of a whole API object, `kind` and `apiVersion` included. Cheap to clone.
///
/// Journal, lists and watches all send the same bytes. The tree takes several times their memory:
/// the store keeps it only for what has changed just now, and it is made anew when it is needed.
#[derive(Clone)]
pub struct Object(Arc<Version>);

struct Version {
    json: Arc<[u8]>,
    tree: OnceLock<Value>,
}

impl Object {
    /// The object as JSON.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.0.json
    }

    /// The same without its tree.
    #[must_use]
    pub fn packed(&self) -> Self {
        Self(Arc::new(Version {
            json: Arc::clone(&self.0.json),
            tree: OnceLock::new(),
        }))
    }

    /// Whether this is the very version that `other` is.
    #[must_use]
    pub fn is_version(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.json, &other.0.json)
    }

    /// A handle for a reader: a tree that it makes ends with it, and is not kept by the store.
    pub(super) fn lend(&self) -> Self {
        if self.0.tree.get().is_some() {
            self.clone()
        } else {
            self.packed()
        }
    }
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        // The bytes were written from a tree, so that they can be read as one.
        let parse = || serde_json::from_slice(&self.0.json).unwrap_or_default();
        self.0.tree.get_or_init(parse)
    }
}

impl From<Value> for Object {
    fn from(tree: Value) -> Self {
        // The keys of a JSON value are strings: writing it cannot fail.
        let json = serde_json::to_vec(&tree).unwrap_or_default();
        Self(Arc::new(Version {
            json: json.into(),
            tree: OnceLock::from(tree),
        }))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0.json))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_packed_object_is_the_same_object() {
        let object = Object::from(json!({"kind": "Pod", "b": 1, "a": [0.1, null]}));
        let packed = object.packed();
        assert!(packed.0.tree.get().is_none());
        assert_eq!(packed, object);
        assert_eq!(packed.json(), br#"{"kind":"Pod","b":1,"a":[0.1,null]}"#);
    }

    #[test]
    fn a_reader_of_a_packed_object_leaves_it_packed() {
        let packed = Object::from(json!({"kind": "Pod"})).packed();
        assert_eq!(packed.lend()["kind"], "Pod");
        assert!(packed.0.tree.get().is_none());
    }
}
