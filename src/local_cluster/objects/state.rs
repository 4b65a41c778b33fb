//! What the store holds while it is locked: objects, their history, and the journal behind them.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value};

use super::history::History;
use super::identity::generated_name;
use super::journal::{Change, Journal, Record};
use super::narrow::Involved;
use super::{EventKind, Object, ObjectError, ObjectEvent, ObjectKey, Resource};

/// Tries to find a free name for `generateName`.
const NAME_TRIES: usize = 8;

/// Namespace and name; an empty namespace where there is none.
pub(super) type MapKey = (String, String);
pub(super) type Kept = BTreeMap<MapKey, Object>;

#[derive(Default)]
pub(super) struct State {
    pub version: u64,
    pub kept: [Kept; Resource::ALL.len()],
    pub history: [History; Resource::ALL.len()],
    pub involved: Involved,
    pub journal: Option<Journal>,
}

impl State {
    pub fn find(&self, key: &ObjectKey) -> Option<Object> {
        let found = self.kept[key.resource.index()].get(&map_key(key));
        found.cloned()
    }

    /// The objects of a kind in the order of their keys, in one namespace or in all, from the
    /// beginning or after a key.
    pub fn range<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
        after: Option<&MapKey>,
    ) -> impl Iterator<Item = (&'a MapKey, &'a Object)> {
        let begin = match (after, namespace) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(namespace)) => Bound::Included((namespace.to_owned(), String::new())),
            (None, None) => Bound::Unbounded,
        };
        self.kept[resource.index()]
            .range((begin, Bound::Unbounded))
            .take_while(move |((found, _), _)| namespace.is_none_or(|one| one == found))
    }

    pub fn free_name(
        &self,
        resource: Resource,
        metadata: &Map<String, Value>,
    ) -> Result<String, ObjectError> {
        let text = |member: &str| metadata.get(member).and_then(Value::as_str);
        let namespace = text("namespace").filter(|_| resource.namespaced());
        let key = |name: &str| ObjectKey {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let taken = |key: ObjectKey| {
            self.find(&key).map(|found| ObjectError::AlreadyExists {
                being_deleted: found["metadata"].get("deletionTimestamp").is_some(),
                key,
            })
        };
        if let Some(name) = text("name").filter(|name| !name.is_empty()) {
            return match taken(key(name)) {
                Some(error) => Err(error),
                None => Ok(name.to_owned()),
            };
        }
        let prefix = text("generateName")
            .filter(|prefix| !prefix.is_empty())
            .ok_or(ObjectError::Malformed("it has no name"))?;
        let mut name = generated_name(prefix);
        for _ in 1..NAME_TRIES {
            if taken(key(&name)).is_none() {
                break;
            }
            name = generated_name(prefix);
        }
        match taken(key(&name)) {
            Some(error) => Err(error),
            None => Ok(name),
        }
    }

    pub fn put(
        &mut self,
        key: ObjectKey,
        object: &Object,
        previous: Option<Object>,
    ) -> Result<(), ObjectError> {
        let version = self.version + 1;
        if let Some(journal) = &mut self.journal {
            journal.put(version, key.resource, object)?;
        }
        self.apply_put(version, &key, object, previous.as_ref());
        Ok(())
    }

    /// Whoever holds `object` may go on with its tree; what is kept has none.
    fn apply_put(
        &mut self,
        version: u64,
        key: &ObjectKey,
        object: &Object,
        previous: Option<&Object>,
    ) {
        self.version = version;
        let object = object.packed();
        if key.resource == Resource::Event {
            self.involved.put(&object, previous);
        }
        self.kept[key.resource.index()].insert(map_key(key), object.clone());
        let kind = if previous.is_some() {
            EventKind::Modified
        } else {
            EventKind::Added
        };
        self.history[key.resource.index()].push(ObjectEvent {
            kind,
            object,
            previous: previous.map(Object::packed),
            version,
        });
    }

    /// Drops the history up to now.
    pub fn forget_history(&mut self) {
        for history in &mut self.history {
            history.forget(self.version);
        }
    }

    pub fn remove(&mut self, key: &ObjectKey, current: &Object) -> Result<Object, ObjectError> {
        let version = self.version + 1;
        if let Some(journal) = &mut self.journal {
            let (namespace, name) = map_key(key);
            journal.delete(version, key.resource, &namespace, &name)?;
        }
        Ok(self.apply_remove(version, key, current))
    }

    fn apply_remove(&mut self, version: u64, key: &ObjectKey, current: &Object) -> Object {
        let last = current.under_version(version);
        if key.resource == Resource::Event {
            self.involved.remove(current);
        }
        self.version = version;
        self.kept[key.resource.index()].remove(&map_key(key));
        self.history[key.resource.index()].push(ObjectEvent {
            kind: EventKind::Deleted,
            object: last.packed(),
            previous: Some(current.packed()),
            version,
        });
        last
    }

    pub fn replay(&mut self, record: Record) {
        match record.change {
            Change::Put(object) => {
                if let Some(key) = ObjectKey::of(record.resource, &object) {
                    let previous = self.find(&key);
                    self.apply_put(record.version, &key, &object.into(), previous.as_ref());
                }
            }
            Change::Delete { namespace, name } => {
                let key = ObjectKey {
                    resource: record.resource,
                    namespace: record.resource.namespaced().then_some(namespace),
                    name,
                };
                if let Some(current) = self.find(&key) {
                    self.apply_remove(record.version, &key, &current);
                }
            }
        }
    }

    /// Says that what has been replayed so far is a state, not a history.
    pub fn begin_history(&mut self, version: u64) {
        self.version = version;
        self.forget_history();
    }

    pub fn compact_if_wanted(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if !journal.wants_compaction() {
            return;
        }
        let kept = Resource::ALL
            .into_iter()
            .zip(&self.kept)
            .flat_map(|(resource, kept)| kept.values().map(move |object| (resource, object)));
        if let Err(error) = journal.compact(self.version, kept) {
            // The long journal is still whole: this costs space, not objects.
            tracing::warn!(%error, "the cluster's journal could not be rewritten");
            journal.postpone_compaction();
        }
    }
}

pub(super) fn map_key(key: &ObjectKey) -> MapKey {
    (key.namespace.clone().unwrap_or_default(), key.name.clone())
}

/// What there is now, but for the keys whose state was another one `before`; both in order.
pub(super) fn overlaid<'a>(
    now: impl Iterator<Item = (&'a MapKey, &'a Object)>,
    before: BTreeMap<MapKey, Option<Object>>,
) -> Vec<Object> {
    let mut before = before.into_iter().peekable();
    let mut objects = Vec::new();
    for (key, object) in now {
        while let Some((_, gone)) = before.next_if(|(other, _)| other < key) {
            objects.extend(gone);
        }
        match before.next_if(|(other, _)| other == key) {
            Some((_, former)) => objects.extend(former),
            None => objects.push(object.clone()),
        }
    }
    objects.extend(before.filter_map(|(_, gone)| gone));
    objects
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty())
}

/// Deleted, and without a grace period that is still to pass.
pub(super) fn is_ready_to_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata.get("deletionTimestamp").is_some()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}
