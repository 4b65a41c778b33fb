//! Which kinds of objects there are, and how one of them is named.

use std::fmt;

use serde_json::Value;

/// A kind of object that the cluster keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Pod.
    Pod,
    /// `v1` Event.
    Event,
    /// `v1` Secret.
    Secret,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `v1` ServiceAccount.
    ServiceAccount,
    /// `v1` Node.
    Node,
    /// `coordination.k8s.io/v1` Lease.
    Lease,
    /// `rbac.authorization.k8s.io/v1` Role.
    Role,
    /// `rbac.authorization.k8s.io/v1` RoleBinding.
    RoleBinding,
    /// `rbac.authorization.k8s.io/v1` ClusterRole.
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1` ClusterRoleBinding.
    ClusterRoleBinding,
}

impl Resource {
    /// Every kind, in the order in which the store keeps them.
    pub const ALL: [Self; 12] = [
        Self::Namespace,
        Self::Pod,
        Self::Event,
        Self::Secret,
        Self::ConfigMap,
        Self::ServiceAccount,
        Self::Node,
        Self::Lease,
        Self::Role,
        Self::RoleBinding,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
    ];

    /// The name in request paths, as in `pods`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Pod => "pods",
            Self::Event => "events",
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::ServiceAccount => "serviceaccounts",
            Self::Node => "nodes",
            Self::Lease => "leases",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRole => "clusterroles",
            Self::ClusterRoleBinding => "clusterrolebindings",
        }
    }

    /// The `kind` of one object.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::Event => "Event",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::ServiceAccount => "ServiceAccount",
            Self::Node => "Node",
            Self::Lease => "Lease",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRole => "ClusterRole",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
        }
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Lease => "coordination.k8s.io",
            Self::Role | Self::RoleBinding | Self::ClusterRole | Self::ClusterRoleBinding => {
                "rbac.authorization.k8s.io"
            }
            Self::Namespace
            | Self::Pod
            | Self::Event
            | Self::Secret
            | Self::ConfigMap
            | Self::ServiceAccount
            | Self::Node => "",
        }
    }

    /// The `apiVersion` of one object.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Lease => "coordination.k8s.io/v1",
            Self::Role | Self::RoleBinding | Self::ClusterRole | Self::ClusterRoleBinding => {
                "rbac.authorization.k8s.io/v1"
            }
            Self::Namespace
            | Self::Pod
            | Self::Event
            | Self::Secret
            | Self::ConfigMap
            | Self::ServiceAccount
            | Self::Node => "v1",
        }
    }

    /// Whether its objects live inside a namespace.
    #[must_use]
    pub fn namespaced(self) -> bool {
        !matches!(
            self,
            Self::Namespace | Self::Node | Self::ClusterRole | Self::ClusterRoleBinding
        )
    }

    /// The kind whose plural name is `plural`.
    #[must_use]
    pub fn from_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.plural() == plural)
    }

    /// Its place in [`Resource::ALL`].
    #[must_use]
    pub(super) fn index(self) -> usize {
        match self {
            Self::Namespace => 0,
            Self::Pod => 1,
            Self::Event => 2,
            Self::Secret => 3,
            Self::ConfigMap => 4,
            Self::ServiceAccount => 5,
            Self::Node => 6,
            Self::Lease => 7,
            Self::Role => 8,
            Self::RoleBinding => 9,
            Self::ClusterRole => 10,
            Self::ClusterRoleBinding => 11,
        }
    }
}

/// The name of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; none for kinds that live outside namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object inside a namespace.
    #[must_use]
    pub fn namespaced(
        resource: Resource,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            resource,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// The key of an object outside namespaces.
    #[must_use]
    pub fn cluster(resource: Resource, name: impl Into<String>) -> Self {
        Self {
            resource,
            namespace: None,
            name: name.into(),
        }
    }

    /// The key that `object`, of kind `resource`, has by its own metadata.
    #[must_use]
    pub fn of(resource: Resource, object: &Value) -> Option<Self> {
        let metadata = object.get("metadata")?;
        let text = |member: &str| metadata.get(member)?.as_str().map(str::to_owned);
        Some(Self {
            resource,
            namespace: if resource.namespaced() {
                Some(text("namespace")?)
            } else {
                None
            },
            name: text("name")?,
        })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.resource.plural(), self.name)
    }
}
