//! What a request path means.

use http::Method;

use super::access;
use super::refusal::Refusal;
use crate::local_cluster::objects::{ObjectKey, Resource};

/// What lies behind a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A document about the API itself: discovery, version, health.
    Document(String),
    /// The objects of a kind.
    Collection(Collection),
    /// One object.
    Object(ObjectKey),
    /// Something that belongs to one object, such as its log.
    Sub(ObjectKey, Subresource),
}

/// The objects of a kind, in one namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collection {
    pub resource: Resource,
    pub namespace: Option<String>,
    /// The version of the `events.k8s.io` group was asked for, not the core one.
    pub events_group: bool,
    /// Asked through the old `/watch/` path, possibly for one name only.
    pub watch: Option<Option<String>>,
}

/// What belongs to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subresource {
    Status,
    Log,
    Exec,
    Attach,
    PortForward,
    Eviction,
    Binding,
    Finalize,
    Token,
}

impl Subresource {
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Log => "log",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
            Self::Eviction => "eviction",
            Self::Binding => "binding",
            Self::Finalize => "finalize",
            Self::Token => "token",
        }
    }

    fn of(resource: Resource, name: &str) -> Option<Self> {
        let one = match name {
            "status" => Self::Status,
            "log" => Self::Log,
            "exec" => Self::Exec,
            "attach" => Self::Attach,
            "portforward" => Self::PortForward,
            "eviction" => Self::Eviction,
            "binding" => Self::Binding,
            "finalize" => Self::Finalize,
            "token" => Self::Token,
            _ => return None,
        };
        let there = match resource {
            Resource::Pod => !matches!(one, Self::Finalize | Self::Token),
            Resource::ServiceAccount => matches!(one, Self::Token),
            Resource::Namespace => matches!(one, Self::Status | Self::Finalize),
            Resource::Node => matches!(one, Self::Status),
            Resource::Event
            | Resource::Secret
            | Resource::ConfigMap
            | Resource::Lease
            | Resource::Role
            | Resource::RoleBinding
            | Resource::ClusterRole
            | Resource::ClusterRoleBinding => false,
        };
        there.then_some(one)
    }
}

impl Target {
    /// Reads `path`.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["api", "v1", rest @ ..] if !rest.is_empty() => Self::resource("", rest),
            [
                "apis",
                group @ ("coordination.k8s.io" | "events.k8s.io" | "rbac.authorization.k8s.io"),
                "v1",
                rest @ ..,
            ] if !rest.is_empty() => Self::resource(group, rest),
            ["apis", ..] if access::is_review(&parts.join("/")) => {
                Ok(Self::Document(parts.join("/")))
            }
            ["apis", _, _, _, ..] => Err(Refusal::no_such_path()),
            parts => Ok(Self::Document(parts.join("/"))),
        }
    }

    fn resource(group: &str, parts: &[&str]) -> Result<Self, Refusal> {
        let (watched, parts) = match parts {
            ["watch", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (namespace, rest) = match parts {
            // A namespace's own subresources are told from the kinds that live in it.
            ["namespaces", name, "status" | "finalize"] if !watched => {
                let _ = name;
                (None, parts)
            }
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let [plural, rest @ ..] = rest else {
            return Err(Refusal::no_such_resource());
        };
        let resource = Resource::from_plural(plural).ok_or_else(Refusal::no_such_resource)?;
        let events_group = group == "events.k8s.io";
        let in_group = if events_group {
            resource == Resource::Event
        } else {
            resource.group() == group
        };
        if !in_group || (namespace.is_some() && !resource.namespaced()) {
            return Err(Refusal::no_such_resource());
        }
        let collection = |watch| {
            Self::Collection(Collection {
                resource,
                namespace: namespace.clone(),
                events_group,
                watch,
            })
        };
        let key = |name: &str| {
            if resource.namespaced() && namespace.is_none() {
                return Err(Refusal::no_such_resource());
            }
            Ok(ObjectKey {
                resource,
                namespace: namespace.clone(),
                name: name.to_owned(),
            })
        };
        match (watched, rest) {
            (true, []) => Ok(collection(Some(None))),
            (true, [name]) => Ok(collection(Some(Some((*name).to_owned())))),
            (false, []) => Ok(collection(None)),
            (false, [name]) => Ok(Self::Object(key(name)?)),
            (false, [name, sub]) => Ok(Self::Sub(
                key(name)?,
                Subresource::of(resource, sub).ok_or_else(Refusal::no_such_resource)?,
            )),
            (true | false, [_, ..]) => Err(Refusal::no_such_resource()),
        }
    }

    /// The verb that `method` means here, as access rules name it.
    pub fn verb(&self, method: &Method, watching: bool) -> &'static str {
        let collection = matches!(self, Self::Collection(_));
        match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if collection => "deletecollection",
            Method::DELETE => "delete",
            _ if collection && watching => "watch",
            _ if collection => "list",
            _ => "get",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Target {
        Target::parse(path).unwrap()
    }

    #[test]
    fn paths_name_collections_objects_and_what_belongs_to_them() {
        let pod = ObjectKey::namespaced(Resource::Pod, "n", "x");
        assert_eq!(
            parse("/api/v1/namespaces/n/pods/x"),
            Target::Object(pod.clone())
        );
        assert_eq!(
            parse("/api/v1/namespaces/n/pods/x/log"),
            Target::Sub(pod, Subresource::Log)
        );
        assert_eq!(
            parse("/api/v1/namespaces/n/status"),
            Target::Sub(
                ObjectKey::cluster(Resource::Namespace, "n"),
                Subresource::Status
            )
        );
        assert_eq!(
            parse("/apis/coordination.k8s.io/v1/leases"),
            Target::Collection(Collection {
                resource: Resource::Lease,
                namespace: None,
                events_group: false,
                watch: None,
            })
        );
        assert_eq!(parse("/api"), Target::Document("api".into()));
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        for path in [
            "/api/v1/namespaces/n/podz",
            "/api/v1/namespaces/n/pods/x/zzz",
            "/api/v1/namespaces/n/nodes",
            "/api/v1/pods/x",
            "/api/v1/namespaces/n/leases",
            "/apis/apps/v1/deployments",
        ] {
            assert_eq!(Target::parse(path).unwrap_err().code, 404, "{path}");
        }
    }
}
