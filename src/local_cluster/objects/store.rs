//! The store itself: a map per kind, one version counter, a bounded history.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::watch::Sender;

use super::identity::{Identity, created_metadata};
use super::journal::Journal;
use super::state::{State, has_finalizers, is_ready_to_go, map_key, overlaid};
use super::{Object, ObjectError, ObjectEvent, ObjectKey, ObjectWatch, Resource};

/// Changes handed to a watch at a time.
const BATCH: usize = 256;

/// The cluster's objects. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Objects(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// One per kind, in the order of [`Resource::ALL`]: tells watches that there is news.
    signals: [Sender<u64>; Resource::ALL.len()],
}

/// What a caller expects of an object before it is changed or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its resource version.
    pub resource_version: Option<String>,
}

impl Preconditions {
    /// Expects nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Expects this uid, so that a later object of the same name is left alone.
    #[must_use]
    pub fn uid(uid: impl Into<String>) -> Self {
        Self {
            uid: Some(uid.into()),
            resource_version: None,
        }
    }

    fn check(&self, key: &ObjectKey, object: &Object) -> Result<(), ObjectError> {
        for (field, expected) in [
            ("uid", &self.uid),
            ("resourceVersion", &self.resource_version),
        ] {
            let Some(expected) = expected else { continue };
            let found = object.text(&["metadata", field]).unwrap_or_default();
            if *expected != found {
                return Err(ObjectError::Conflict {
                    key: key.clone(),
                    field,
                    expected: expected.clone(),
                    found: found.into_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Objects {
    /// A store that lives and ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::from_state(State::default())
    }

    /// The store whose journal is in `dir`; an empty one if there is none yet.
    ///
    /// # Errors
    ///
    /// The journal cannot be read or written, or is of another format.
    pub fn open(dir: &Path) -> Result<Self, ObjectError> {
        let mut state = State::default();
        // Records up to the version at which the file begins are a state, those after it changes.
        let mut begun = false;
        let journal = Journal::open(dir, |begin, record| {
            if record.version > begin && !begun {
                begun = true;
                state.begin_history(begin);
            }
            state.replay(record);
        })?;
        if !begun {
            state.begin_history(journal.begin());
        }
        state.journal = Some(journal);
        Ok(Self::from_state(state))
    }

    fn from_state(state: State) -> Self {
        let version = state.version;
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            signals: std::array::from_fn(|_| Sender::new(version)),
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held left whole objects behind: each change is one insert.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of that name.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.lock().find(key)
    }

    /// The objects of a kind in the order of their keys, in one namespace or in all, and the
    /// version at which this was so.
    #[must_use]
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> (Vec<Object>, u64) {
        let state = self.lock();
        let objects = state.range(resource, namespace, None);
        let objects = objects.map(|(_, object)| object.clone()).collect();
        (objects, state.version)
    }

    /// The objects as they are or were at an earlier `version`, in the order of their keys and
    /// with that version; those after `after` alone, if that is given.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Expired`] if the history does not reach back to `version`.
    pub fn list_at(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        version: Option<u64>,
        after: Option<&ObjectKey>,
    ) -> Result<(Vec<Object>, u64), ObjectError> {
        let state = self.lock();
        let history = &state.history[resource.index()];
        let version = version.unwrap_or(state.version);
        if version < history.dropped_through {
            return Err(ObjectError::Expired {
                requested: version,
                oldest: history.dropped_through,
            });
        }
        let after = after.map(map_key);
        let now = state.range(resource, namespace, after.as_ref());
        let mut before = history.before(resource, version);
        before.retain(|key, _| {
            namespace.is_none_or(|namespace| namespace == key.0)
                && after.as_ref().is_none_or(|after| key > after)
        });
        Ok((overlaid(now, before), version))
    }

    /// How many objects of a kind there are.
    #[must_use]
    pub fn count(&self, resource: Resource) -> usize {
        self.lock().kept[resource.index()].len()
    }

    /// The version of the last change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Creates an object. `metadata` must hold its name or `generateName` and, where the kind has
    /// one, its namespace; uid, creation time and version are filled in.
    ///
    /// # Errors
    ///
    /// The name is taken, there is no name, or the journal cannot be written.
    pub fn create(&self, resource: Resource, object: Value) -> Result<Object, ObjectError> {
        let mut object = match object {
            Value::Object(object) => object,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => return Err(ObjectError::Malformed("it is not a JSON object")),
        };
        let given = match object.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            Some(_) | None => return Err(ObjectError::Malformed("it has no metadata")),
        };
        let mut state = self.lock();
        let name = state.free_name(resource, &given)?;
        let version = state.version + 1;
        let mut whole = Map::new();
        whole.insert("kind".into(), resource.kind().into());
        whole.insert("apiVersion".into(), resource.api_version().into());
        whole.insert("metadata".into(), created_metadata(given, &name, version));
        for (member, value) in object {
            whole.entry(member).or_insert(value);
        }
        let whole = Value::Object(whole);
        let key =
            ObjectKey::of(resource, &whole).ok_or(ObjectError::Malformed("it has no namespace"))?;
        let object = Object::from(whole);
        state.put(key, &object, None)?;
        self.tell(resource, &mut state);
        Ok(object)
    }

    /// Changes an object: `change` edits a copy. Name, namespace, uid and creation time stay what
    /// they are. A copy that is unchanged makes no event and keeps its version. Taking the last
    /// finalizer from an object that has been deleted removes it.
    ///
    /// `change` runs while the store is locked: it must be short and must not use the store.
    ///
    /// # Errors
    ///
    /// The object is gone or is not the expected one, or the journal cannot be written.
    pub fn update(
        &self,
        key: &ObjectKey,
        expected: Preconditions,
        change: impl FnOnce(&mut Value),
    ) -> Result<Object, ObjectError> {
        self.change(key, None, expected, change)
    }

    /// As [`Objects::update`], by a caller that has the object's tree at hand: if it is still the
    /// current one, it need not be made again.
    ///
    /// # Errors
    ///
    /// As [`Objects::update`].
    pub fn update_seen(
        &self,
        key: &ObjectKey,
        seen: Object,
        expected: Preconditions,
        change: impl FnOnce(&mut Value),
    ) -> Result<Object, ObjectError> {
        self.change(key, Some(seen), expected, change)
    }

    fn change(
        &self,
        key: &ObjectKey,
        seen: Option<Object>,
        expected: Preconditions,
        change: impl FnOnce(&mut Value),
    ) -> Result<Object, ObjectError> {
        let mut state = self.lock();
        let current = state
            .find(key)
            .ok_or_else(|| ObjectError::NotFound(key.clone()))?;
        expected.check(key, &current)?;
        let seen = seen.filter(|seen| seen.is_version(&current));
        let mut next = seen.unwrap_or_else(|| current.clone()).into_tree();
        let kept = Identity::of(&next);
        let had_finalizers = has_finalizers(&next);
        change(&mut next);
        kept.restore(&mut next);
        let Some(next) = current.changed_to(next, state.version + 1) else {
            return Ok(current);
        };
        if had_finalizers && !has_finalizers(&next) && is_ready_to_go(&next) {
            state.remove(key, &current)?;
        } else {
            state.put(key.clone(), &next, Some(current))?;
        }
        self.tell(key.resource, &mut state);
        Ok(next)
    }

    /// Removes an object. One with finalizers stays until the last of them is taken away; it is
    /// marked as deleted if it was not yet.
    ///
    /// # Errors
    ///
    /// The object is gone or is not the expected one, or the journal cannot be written.
    pub fn remove(&self, key: &ObjectKey, expected: Preconditions) -> Result<Object, ObjectError> {
        let mut state = self.lock();
        let current = state
            .find(key)
            .ok_or_else(|| ObjectError::NotFound(key.clone()))?;
        expected.check(key, &current)?;
        let finalizers = current.member(&["metadata", "finalizers"]);
        let held =
            finalizers.is_some_and(|list| list.as_array().is_some_and(|all| !all.is_empty()));
        let result = if held {
            if is_ready_to_go(&current) {
                return Ok(current);
            }
            let mut next = current.clone().into_tree();
            let metadata = &mut next["metadata"];
            metadata["deletionTimestamp"] = super::now().into();
            metadata["deletionGracePeriodSeconds"] = 0.into();
            metadata["resourceVersion"] = (state.version + 1).to_string().into();
            let next = Object::from(next);
            state.put(key.clone(), &next, Some(current))?;
            next
        } else {
            state.remove(key, &current)?
        };
        self.tell(key.resource, &mut state);
        Ok(result)
    }

    /// Follows the changes of a kind: those after the version `from`, or from now on.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Expired`] if the history does not reach back to `from`.
    pub fn watch(&self, resource: Resource, from: Option<u64>) -> Result<ObjectWatch, ObjectError> {
        let state = self.lock();
        let from = from.unwrap_or(state.version);
        let oldest = state.history[resource.index()].dropped_through;
        if from < oldest {
            return Err(ObjectError::Expired {
                requested: from,
                oldest,
            });
        }
        let signal = self.0.signals[resource.index()].subscribe();
        Ok(ObjectWatch::new(self.clone(), resource, from, signal))
    }

    /// Keeps the last so many changes of each kind for watches that start in the past or are
    /// slow, and forgets those before.
    pub fn keep_history(&self, changes: usize) {
        for history in &mut self.lock().history {
            history.keep(changes);
        }
    }

    /// Forgets the history: watches that have not read it yet, and those that want to start
    /// before now, are told that their version is too old.
    pub fn forget_history(&self) {
        self.lock().forget_history();
    }

    /// The next changes after `position` and the version up to which they are complete; none if
    /// some of them are no longer there.
    pub(super) fn events_after(
        &self,
        resource: Resource,
        position: u64,
    ) -> Option<(VecDeque<ObjectEvent>, u64)> {
        let state = self.lock();
        let history = &state.history[resource.index()];
        if position < history.dropped_through {
            return None;
        }
        let events = history.after(position, BATCH);
        let through = match events.back() {
            Some(last) if events.len() == BATCH => last.version,
            Some(_) | None => state.version,
        };
        Some((events, through))
    }

    fn tell(&self, resource: Resource, state: &mut State) {
        self.0.signals[resource.index()].send_replace(state.version);
        state.compact_if_wanted();
    }
}

#[cfg(test)]
mod tests;
