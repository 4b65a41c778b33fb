//! One version of an object: its JSON, written once, and its tree for whoever looks at it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::member;
use super::{ObjectKey, Resource};

/// One version of a whole API object, `kind` and `apiVersion` included. Cheap to clone.
///
/// Store, journal, lists and watches share the same bytes. A tree takes several times their memory,
/// and making it takes longer than all else: it is made by the first look through a handle, stays
/// with that handle and its clones, and is never kept by the store. Single members are better read
/// from the bytes ([`Object::text`], [`Object::member`]).
#[derive(Clone)]
pub struct Object {
    json: Arc<[u8]>,
    tree: OnceLock<Arc<Value>>,
}

impl Object {
    /// The object as JSON.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The same without its tree.
    #[must_use]
    pub fn packed(&self) -> Self {
        Self {
            json: Arc::clone(&self.json),
            tree: OnceLock::new(),
        }
    }

    /// Whether this is the very version that `other` is.
    #[must_use]
    pub fn is_version(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.json, &other.json)
    }

    /// The member at the end of `path`, without a tree of the rest.
    #[must_use]
    pub fn member(&self, path: &[&str]) -> Option<Value> {
        match self.tree.get() {
            Some(tree) => within(tree, path).cloned(),
            None => member::value(&self.json, path),
        }
    }

    /// The text at the end of `path`, without a tree of the rest.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match self.tree.get() {
            Some(tree) => within(tree, path)?.as_str().map(Cow::Borrowed),
            None => member::text(&self.json, path),
        }
    }

    /// The resource version that the object carries.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.text(&["metadata", "resourceVersion"])
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// The key that the object, of kind `resource`, has by its own metadata.
    #[must_use]
    pub fn key(&self, resource: Resource) -> Option<ObjectKey> {
        let text = |member: &str| self.text(&["metadata", member]).map(Cow::into_owned);
        Some(ObjectKey {
            resource,
            namespace: if resource.namespaced() {
                Some(text("namespace")?)
            } else {
                None
            },
            name: text("name")?,
        })
    }

    /// The tree, for whoever wants to change it.
    #[must_use]
    pub fn into_tree(self) -> Value {
        match self.tree.into_inner() {
            Some(tree) => Arc::unwrap_or_clone(tree),
            None => parse(&self.json),
        }
    }

    /// Whether a tree was made through this handle.
    #[cfg(test)]
    pub(crate) fn has_tree(&self) -> bool {
        self.tree.get().is_some()
    }

    /// The same under another version of the store.
    pub(super) fn under_version(&self, version: u64) -> Self {
        if let Some(json) = member::with_version(&self.json, version) {
            return Self {
                json: json.into(),
                tree: OnceLock::new(),
            };
        }
        let mut tree = parse(&self.json);
        tree["metadata"]["resourceVersion"] = version.to_string().into();
        tree.into()
    }

    /// The next version, if `tree` says anything else than this one; both carry the same version.
    pub(super) fn changed_to(&self, mut tree: Value, version: u64) -> Option<Self> {
        let json = write(&tree);
        // The same tree in another order is as long.
        let same = json[..] == *self.json || (json.len() == self.json.len() && **self == tree);
        if same {
            return None;
        }
        tree["metadata"]["resourceVersion"] = version.to_string().into();
        let json = member::with_version(&json, version).unwrap_or_else(|| write(&tree));
        Some(Self::written(json, tree))
    }

    /// An object of a tree that has just been written as `json`.
    fn written(json: Vec<u8>, tree: Value) -> Self {
        Self {
            json: json.into(),
            tree: OnceLock::from(Arc::new(tree)),
        }
    }
}

/// Writes a tree as JSON.
fn write(tree: &Value) -> Vec<u8> {
    let mut json = Vec::with_capacity(USUAL_SIZE);
    // The keys of a JSON value are strings: writing it cannot fail.
    let _ = serde_json::to_writer(&mut json, tree);
    json
}

/// Room for the JSON of most pods.
const USUAL_SIZE: usize = 4096;

fn within<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(tree, |value, member| value.get(member))
}

fn parse(json: &[u8]) -> Value {
    // The bytes were written from a tree, so that they can be read as one.
    serde_json::from_slice(json).unwrap_or_default()
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.tree.get_or_init(|| Arc::new(parse(&self.json)))
    }
}

impl From<Value> for Object {
    fn from(tree: Value) -> Self {
        Self::written(write(&tree), tree)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json || **self == **other
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.json))
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
        assert!(!packed.has_tree());
        assert_eq!(packed.json(), br#"{"kind":"Pod","b":1,"a":[0.1,null]}"#);
        assert_eq!(*packed, *object);
    }

    #[test]
    fn single_members_are_read_without_a_tree() {
        let packed = Object::from(json!({
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "resourceVersion": "7"},
            "spec": {"nodeName": "local", "activeDeadlineSeconds": 5},
        }))
        .packed();
        assert_eq!(packed.version(), 7);
        assert_eq!(
            packed.key(Resource::Pod),
            Some(ObjectKey::namespaced(Resource::Pod, "n", "p"))
        );
        assert_eq!(packed.text(&["spec", "nodeName"]).unwrap(), "local");
        assert_eq!(
            packed.member(&["spec", "activeDeadlineSeconds"]),
            Some(json!(5))
        );
        assert_eq!(packed.member(&["status"]), None);
        assert!(!packed.has_tree());
    }
}
