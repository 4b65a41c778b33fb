//! The roles that every cluster has, and who has them from the first.

use serde_json::{Value, json};

use crate::local_cluster::objects::{ObjectError, ObjectKey, Objects, Resource};

/// Makes those of the built-in roles and bindings that are not there.
pub(crate) fn furnish(objects: &Objects) -> Result<(), ObjectError> {
    for (name, rules) in roles() {
        make(
            objects,
            Resource::ClusterRole,
            name,
            &json!({"rules": rules}),
        )?;
    }
    for (name, groups) in [
        ("cluster-admin", &["system:masters"] as &[_]),
        ("system:basic-user", &["system:authenticated"]),
        ("system:discovery", &["system:authenticated"]),
        (
            "system:public-info-viewer",
            &["system:authenticated", "system:unauthenticated"],
        ),
    ] {
        let group = "rbac.authorization.k8s.io";
        let subjects: Vec<Value> = groups
            .iter()
            .map(|name| json!({"kind": "Group", "apiGroup": group, "name": name}))
            .collect();
        let role = json!({"apiGroup": group, "kind": "ClusterRole", "name": name});
        let binding = json!({"subjects": subjects, "roleRef": role});
        make(objects, Resource::ClusterRoleBinding, name, &binding)?;
    }
    Ok(())
}

fn make(
    objects: &Objects,
    resource: Resource,
    name: &str,
    contents: &Value,
) -> Result<(), ObjectError> {
    if objects.get(&ObjectKey::cluster(resource, name)).is_some() {
        return Ok(());
    }
    let labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let mut object = json!({"metadata": {"name": name, "labels": labels}});
    if let (Some(object), Some(contents)) = (object.as_object_mut(), contents.as_object()) {
        object.extend(contents.clone());
    }
    objects.create(resource, object)?;
    Ok(())
}

fn roles() -> Vec<(&'static str, Value)> {
    let everything = json!(["*"]);
    let readable = json!([
        "configmaps",
        "events",
        "namespaces",
        "pods",
        "pods/log",
        "pods/status",
        "serviceaccounts"
    ]);
    let writable = json!([
        "configmaps",
        "events",
        "pods",
        "pods/eviction",
        "pods/exec",
        "secrets",
        "serviceaccounts",
        "serviceaccounts/token"
    ]);
    let look = json!(["get", "list", "watch"]);
    let change = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    let view = json!({"apiGroups": ["", "events.k8s.io"], "resources": readable, "verbs": look});
    let edit = json!({"apiGroups": [""], "resources": writable, "verbs": change});
    let leases =
        json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": change});
    let rights = json!({
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
        "verbs": change,
    });
    let documents = |paths: Value| json!([{"nonResourceURLs": paths, "verbs": ["get"]}]);
    vec![
        (
            "cluster-admin",
            json!([
                {"apiGroups": everything, "resources": everything, "verbs": everything},
                {"nonResourceURLs": everything, "verbs": everything},
            ]),
        ),
        ("admin", json!([view, edit, leases, rights])),
        ("edit", json!([view, edit, leases])),
        ("view", json!([view])),
        (
            "system:basic-user",
            json!([
                {
                    "apiGroups": ["authorization.k8s.io"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                    "verbs": ["create"],
                },
                {
                    "apiGroups": ["authentication.k8s.io"],
                    "resources": ["selfsubjectreviews"],
                    "verbs": ["create"],
                },
            ]),
        ),
        (
            "system:discovery",
            documents(json!([
                "/",
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/livez",
                "/openapi",
                "/openapi/*",
                "/readyz",
                "/version",
                "/version/"
            ])),
        ),
        (
            "system:public-info-viewer",
            documents(json!([
                "/healthz",
                "/livez",
                "/readyz",
                "/version",
                "/version/"
            ])),
        ),
    ]
}
