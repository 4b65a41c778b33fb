//! What a request wants to do, as access rules see it.

use http::Method;
use serde_json::json;

use super::review_kind;
use super::user::User;
use crate::local_cluster::api::query::Query;
use crate::local_cluster::api::refusal::Refusal;
use crate::local_cluster::api::target::Target;
use crate::local_cluster::objects::Resource;

/// What a request wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub verb: String,
    pub what: Wanted,
}

/// To what it wants to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A document that belongs to no kind, by its path.
    Path(String),
    /// Objects of a kind.
    Objects(Place),
}

/// Which objects, by the words of the request: they need not be kinds that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

impl Place {
    /// The resource as rules name it, as in `pods/exec`.
    pub fn with_subresource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

impl Attributes {
    /// What a request to `target` at `path` wants to do.
    pub fn of(method: &Method, path: &str, target: &Target, query: &Query) -> Self {
        let (resource, namespace, name, subresource) = match target {
            Target::Document(document) => return Self::of_document(method, document),
            Target::Collection(collection) => {
                let one = query.text("fieldSelector").and_then(only_name);
                let watched = collection.watch.clone().flatten();
                let name = watched.or_else(|| one.map(str::to_owned));
                let namespace = collection.namespace.clone();
                (collection.resource, namespace, name, "")
            }
            Target::Object(key) => (
                key.resource,
                key.namespace.clone(),
                Some(key.name.clone()),
                "",
            ),
            Target::Sub(key, sub) => {
                let name = Some(key.name.clone());
                (key.resource, key.namespace.clone(), name, sub.name())
            }
        };
        let watching = query.flag("watch")
            || matches!(target, Target::Collection(collection) if collection.watch.is_some());
        let verb = target.verb(method, watching).to_owned();
        // A namespace counts as lying in itself.
        let namespace = match &name {
            Some(name) if resource == Resource::Namespace => Some(name.clone()),
            _ => namespace,
        };
        let in_events_group = path.starts_with("/apis/events.k8s.io/");
        Self {
            what: Wanted::Objects(Place {
                group: if in_events_group {
                    "events.k8s.io".to_owned()
                } else {
                    resource.group().to_owned()
                },
                resource: resource.plural().to_owned(),
                subresource: subresource.to_owned(),
                namespace: namespace.unwrap_or_default(),
                // Whoever creates names the object in the body, which is not read for this.
                name: name
                    .filter(|_| verb != "create" || !subresource.is_empty())
                    .unwrap_or_default(),
            }),
            verb,
        }
    }

    fn of_document(method: &Method, document: &str) -> Self {
        match review_kind(document) {
            Some((group, resource)) if method == Method::POST => Self {
                verb: "create".to_owned(),
                what: Wanted::Objects(Place {
                    group: group.to_owned(),
                    resource: resource.to_owned(),
                    ..Place::default()
                }),
            },
            Some(_) | None => Self {
                verb: method.as_str().to_lowercase(),
                what: Wanted::Path(format!("/{document}")),
            },
        }
    }

    /// Another verb on the same objects.
    pub fn with_verb(mut self, verb: &str) -> Self {
        verb.clone_into(&mut self.verb);
        self
    }

    /// What `user` is told who may not do this.
    pub fn refusal(&self, user: &User) -> Refusal {
        let (verb, user) = (&self.verb, &user.name);
        let place = match &self.what {
            Wanted::Path(path) => {
                let mut refusal = Refusal::forbidden("", None, "").with_details(json!({}));
                refusal.message = format!("forbidden: User {user:?} cannot {verb} path {path:?}");
                return refusal;
            }
            Wanted::Objects(place) => place,
        };
        let scope = if place.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", place.namespace)
        };
        Refusal::forbidden_in(
            &place.group,
            &place.resource,
            Some(place.name.as_str()).filter(|name| !name.is_empty()),
            &format!(
                "User {user:?} cannot {verb} resource {:?} in API group {:?} {scope}",
                place.with_subresource(),
                place.group
            ),
        )
    }
}

/// The name that a field selector asks for, if it asks for nothing else.
fn only_name(selector: &str) -> Option<&str> {
    let name = selector.strip_prefix("metadata.name=")?;
    let name = name.strip_prefix('=').unwrap_or(name);
    (!name.is_empty() && !name.contains([',', '=', '!'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(method: &Method, path: &str, query: &str) -> (String, Place) {
        let target = Target::parse(path).unwrap();
        let attributes = Attributes::of(method, path, &target, &Query::parse(query));
        match attributes.what {
            Wanted::Objects(place) => (attributes.verb, place),
            Wanted::Path(path) => panic!("{path}"),
        }
    }

    #[test]
    fn a_request_is_a_verb_on_a_kind_in_a_place() {
        let (verb, place) = wanted(&Method::GET, "/api/v1/namespaces/n/pods/x/exec", "");
        assert_eq!(verb, "get");
        assert_eq!(place.with_subresource(), "pods/exec");
        assert_eq!((place.namespace.as_str(), place.name.as_str()), ("n", "x"));
        let selector = "watch=1&fieldSelector=metadata.name%3Dx";
        let (verb, place) = wanted(&Method::GET, "/api/v1/namespaces/n/pods", selector);
        assert_eq!((verb.as_str(), place.name.as_str()), ("watch", "x"));
        let (_, place) = wanted(&Method::GET, "/api/v1/namespaces/n", "");
        assert_eq!(place.namespace, "n");
        let path = "/apis/events.k8s.io/v1/events";
        assert_eq!(wanted(&Method::GET, path, "").1.group, "events.k8s.io");
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (verb, place) = wanted(&Method::POST, path, "");
        assert_eq!(verb, "create");
        assert_eq!(place.resource, "selfsubjectaccessreviews");
    }
}
