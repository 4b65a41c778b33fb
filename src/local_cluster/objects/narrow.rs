//! Finding few objects among many without looking at all: by name, and events by what they are
//! about.

use std::collections::HashMap;

use super::state::{State, map_key};
use super::{Object, ObjectKey, Objects, Resource};

/// What the objects that are looked for have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow<'a> {
    /// Their name.
    Name(&'a str),
    /// The uid of the object that they, events, are about.
    InvolvedUid(&'a str),
    /// The name of the object that they, events, are about.
    InvolvedName(&'a str),
}

/// Events by the uid and by the name of the object that they are about.
#[derive(Default)]
pub(super) struct Involved {
    by_uid: HashMap<Box<str>, Vec<Object>>,
    by_name: HashMap<Box<str>, Vec<Object>>,
}

impl Involved {
    /// Takes note of an event's next version.
    pub fn put(&mut self, event: &Object, previous: Option<&Object>) {
        if let Some(previous) = previous {
            self.remove(previous);
        }
        for (map, member) in [(&mut self.by_uid, "uid"), (&mut self.by_name, "name")] {
            if let Some(text) = event.text(&["involvedObject", member]) {
                match map.get_mut(&*text) {
                    Some(events) => events.push(event.clone()),
                    None => {
                        map.insert((*text).into(), vec![event.clone()]);
                    }
                }
            }
        }
    }

    /// Forgets an event.
    pub fn remove(&mut self, event: &Object) {
        for (map, member) in [(&mut self.by_uid, "uid"), (&mut self.by_name, "name")] {
            let Some(text) = event.text(&["involvedObject", member]) else {
                continue;
            };
            if let Some(events) = map.get_mut(&*text) {
                events.retain(|one| !one.is_version(event));
                if events.is_empty() {
                    map.remove(&*text);
                }
            }
        }
    }

    fn about(&self, wanted: Narrow<'_>) -> Option<&[Object]> {
        let found = match wanted {
            Narrow::Name(_) => return None,
            Narrow::InvolvedUid(uid) => self.by_uid.get(uid),
            Narrow::InvolvedName(name) => self.by_name.get(name),
        };
        Some(found.map_or(&[], Vec::as_slice))
    }
}

impl Objects {
    /// The objects of a kind that have something in common, in the order of their keys, in one
    /// namespace or in all, and the version at which this was so. None where that cannot be told
    /// without looking at all of them.
    #[must_use]
    pub fn list_narrowed(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        wanted: Narrow<'_>,
    ) -> Option<(Vec<Object>, u64)> {
        let state = self.lock();
        let found = match wanted {
            Narrow::Name(name) => {
                if resource.namespaced() && namespace.is_none() {
                    return None;
                }
                let key = ObjectKey {
                    resource,
                    namespace: namespace.map(str::to_owned),
                    name: name.to_owned(),
                };
                state.find(&key).into_iter().collect()
            }
            Narrow::InvolvedUid(_) | Narrow::InvolvedName(_) => {
                if resource != Resource::Event {
                    return None;
                }
                state.about(namespace, wanted)
            }
        };
        Some((found, state.version))
    }

    /// The key of the first event in `namespace` about the object of `uid` that `wanted` accepts.
    pub(super) fn find_event(
        &self,
        namespace: &str,
        uid: &str,
        wanted: impl Fn(&Object) -> bool,
    ) -> Option<ObjectKey> {
        let events = self.lock().about(Some(namespace), Narrow::InvolvedUid(uid));
        let found = events.into_iter().find(wanted)?;
        found.key(Resource::Event)
    }
}

impl State {
    /// Events about one object, in the order of their keys.
    fn about(&self, namespace: Option<&str>, wanted: Narrow<'_>) -> Vec<Object> {
        let mut found: Vec<_> = self
            .involved
            .about(wanted)
            .into_iter()
            .flatten()
            .filter_map(|event| Some((map_key(&event.key(Resource::Event)?), event.clone())))
            .filter(|((own, _), _)| namespace.is_none_or(|namespace| namespace == own))
            .collect();
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        found.into_iter().map(|(_, event)| event).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::local_cluster::objects::Preconditions;

    fn event(objects: &Objects, namespace: &str, name: &str, about: (&str, &str)) -> ObjectKey {
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"name": about.0, "uid": about.1},
        });
        let event = objects.create(Resource::Event, event).unwrap();
        event.key(Resource::Event).unwrap()
    }

    fn names(objects: &Objects, namespace: Option<&str>, wanted: Narrow<'_>) -> Vec<String> {
        let found = objects.list_narrowed(Resource::Event, namespace, wanted);
        let name = |event: &Object| event.text(&["metadata", "name"]).unwrap().into_owned();
        found.unwrap().0.iter().map(name).collect()
    }

    #[test]
    fn events_are_found_by_what_they_are_about_through_changes_and_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        event(&objects, "n", "b", ("p", "1"));
        let changed = event(&objects, "n", "a", ("p", "1"));
        let gone = event(&objects, "n", "c", ("p", "1"));
        let moved = event(&objects, "n", "d", ("p", "1"));
        event(&objects, "n", "later", ("p", "2"));
        event(&objects, "m", "elsewhere", ("p", "3"));
        let none = Preconditions::none;
        objects
            .update(&changed, none(), |event| event["count"] = 2.into())
            .unwrap();
        objects
            .update(&moved, none(), |event| {
                event["involvedObject"]["uid"] = "4".into()
            })
            .unwrap();
        objects.remove(&gone, none()).unwrap();
        let check = |objects: &Objects| {
            let uid = |uid| names(objects, Some("n"), Narrow::InvolvedUid(uid));
            assert_eq!(uid("1"), ["a", "b"]);
            assert_eq!(uid("4"), ["d"]);
            assert_eq!(uid("3"), [""; 0]);
            let named = |namespace| names(objects, namespace, Narrow::InvolvedName("p"));
            assert_eq!(named(Some("n")), ["a", "b", "d", "later"]);
            assert_eq!(named(None), ["elsewhere", "a", "b", "d", "later"]);
            let found = objects.list_narrowed(Resource::Event, None, Narrow::InvolvedUid("1"));
            assert_eq!(found.unwrap().0[0]["count"], 2);
        };
        check(&objects);
        drop(objects);
        check(&Objects::open(dir.path()).unwrap());
    }

    #[test]
    fn one_object_is_found_by_its_name_where_there_can_be_only_one() {
        let objects = Objects::in_memory();
        event(&objects, "n", "a", ("p", "1"));
        assert_eq!(names(&objects, Some("n"), Narrow::Name("a")), ["a"]);
        assert_eq!(names(&objects, Some("n"), Narrow::Name("b")), [""; 0]);
        let all = objects.list_narrowed(Resource::Event, None, Narrow::Name("a"));
        assert_eq!(all, None);
        let pods = objects.list_narrowed(Resource::Pod, None, Narrow::InvolvedUid("1"));
        assert_eq!(pods, None);
    }
}
