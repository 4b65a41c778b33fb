//! What the API says about itself: its groups, kinds, version and health.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::access;
use super::media;
use super::openapi;
use super::refusal::Refusal;
use crate::local_cluster::objects::Resource;

/// The Kubernetes version whose behaviour is followed.
pub(crate) const VERSION: &str = "v1.36.2";

/// The groups beside the core one.
const GROUPS: [&str; 5] = [
    "authentication.k8s.io",
    "authorization.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
    "rbac.authorization.k8s.io",
];

/// Answers a GET of a document.
pub(crate) fn respond(path: &str) -> Result<Response, Refusal> {
    let document = match path {
        "" => json!({"paths": [
            "/api", "/api/v1", "/apis", "/apis/authentication.k8s.io",
            "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io",
            "/apis/authorization.k8s.io/v1", "/apis/coordination.k8s.io",
            "/apis/coordination.k8s.io/v1", "/apis/events.k8s.io", "/apis/events.k8s.io/v1",
            "/apis/rbac.authorization.k8s.io", "/apis/rbac.authorization.k8s.io/v1",
            "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version",
        ]}),
        "healthz" | "livez" | "readyz" => {
            return Ok((
                StatusCode::OK,
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
                "ok",
            )
                .into_response());
        }
        "version" => json!({
            "major": "1",
            "minor": "36",
            "gitVersion": format!("{VERSION}+adjourn"),
            "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "",
            "goVersion": "",
            "compiler": "",
            "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        }),
        "api" => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
        "apis" => json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": GROUPS.map(group),
        }),
        "api/v1" => json!({
            "kind": "APIResourceList",
            "groupVersion": "v1",
            "resources": core_resources(),
        }),
        "apis/coordination.k8s.io/v1" => json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "coordination.k8s.io/v1",
            "resources": [resource(Resource::Lease, ALL_VERBS)],
        }),
        "apis/rbac.authorization.k8s.io/v1" => json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "rbac.authorization.k8s.io/v1",
            "resources": [
                resource(Resource::ClusterRole, ALL_VERBS),
                resource(Resource::ClusterRoleBinding, ALL_VERBS),
                resource(Resource::Role, ALL_VERBS),
                resource(Resource::RoleBinding, ALL_VERBS),
            ],
        }),
        "apis/events.k8s.io/v1" => json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "events.k8s.io/v1",
            "resources": [resource(Resource::Event, &["get", "list", "watch"])],
        }),
        "openapi/v3" => json!({"paths": {
            "api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"},
            "apis/coordination.k8s.io/v1":
                {"serverRelativeURL": "/openapi/v3/apis/coordination.k8s.io/v1"},
            "apis/rbac.authorization.k8s.io/v1":
                {"serverRelativeURL": "/openapi/v3/apis/rbac.authorization.k8s.io/v1"},
        }}),
        "openapi/v3/api/v1" => openapi::document(""),
        "openapi/v3/apis/coordination.k8s.io/v1" => openapi::document("coordination.k8s.io"),
        "openapi/v3/apis/rbac.authorization.k8s.io/v1" => {
            openapi::document("rbac.authorization.k8s.io")
        }
        path => {
            let group = path.strip_prefix("apis/");
            match group.filter(|group| GROUPS.contains(group)) {
                Some(group) => whole_group(group),
                None => access::discovered(path).ok_or_else(Refusal::no_such_path)?,
            }
        }
    };
    Ok(media::json(StatusCode::OK, &document))
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn whole_group(name: &str) -> Value {
    let mut whole = json!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Some(whole), Value::Object(members)) = (whole.as_object_mut(), group(name)) {
        whole.extend(members);
    }
    whole
}

const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn core_resources() -> Vec<Value> {
    let verbs: &[&str] = &[
        "create", "delete", "get", "list", "patch", "update", "watch",
    ];
    let mut all = Vec::new();
    for one in Resource::ALL {
        match one {
            Resource::Lease
            | Resource::Role
            | Resource::RoleBinding
            | Resource::ClusterRole
            | Resource::ClusterRoleBinding => {}
            Resource::Namespace | Resource::Node => all.push(resource(one, verbs)),
            Resource::Pod
            | Resource::Event
            | Resource::Secret
            | Resource::ConfigMap
            | Resource::ServiceAccount => all.push(resource(one, ALL_VERBS)),
        }
    }
    let sub = |name: &str, kind: &str, namespaced: bool, verbs: &[&str]| {
        json!({
            "name": name,
            "singularName": "",
            "namespaced": namespaced,
            "kind": kind,
            "verbs": verbs,
        })
    };
    let status: &[&str] = &["get", "patch", "update"];
    all.push(sub("namespaces/status", "Namespace", false, status));
    all.push(sub("nodes/status", "Node", false, status));
    all.push(sub("pods/status", "Pod", true, status));
    all.push(sub("pods/log", "Pod", true, &["get"]));
    let mut token = sub("serviceaccounts/token", "TokenRequest", true, &["create"]);
    token["group"] = "authentication.k8s.io".into();
    token["version"] = "v1".into();
    all.push(token);
    all.push(sub("pods/exec", "PodExecOptions", true, &["create", "get"]));
    let mut eviction = sub("pods/eviction", "Eviction", true, &["create"]);
    eviction["group"] = "policy".into();
    eviction["version"] = "v1".into();
    all.push(eviction);
    all
}

fn resource(resource: Resource, verbs: &[&str]) -> Value {
    let short: &[&str] = match resource {
        Resource::Namespace => &["ns"],
        Resource::Pod => &["po"],
        Resource::Event => &["ev"],
        Resource::ConfigMap => &["cm"],
        Resource::ServiceAccount => &["sa"],
        Resource::Node => &["no"],
        Resource::Secret
        | Resource::Lease
        | Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => &[],
    };
    let mut described = json!({
        "name": resource.plural(),
        "singularName": resource.kind().to_lowercase(),
        "namespaced": resource.namespaced(),
        "kind": resource.kind(),
        "verbs": verbs,
    });
    if !short.is_empty() {
        described["shortNames"] = json!(short);
    }
    if resource == Resource::Pod {
        described["categories"] = json!(["all"]);
    }
    described
}
