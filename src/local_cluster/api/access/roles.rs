//! Roles and bindings as objects: what is filled in, and what is refused.

use serde_json::Value;

use crate::local_cluster::api::refusal::Cause;
use crate::local_cluster::objects::Resource;

/// The group that roles, users and groups belong to.
const GROUP: &str = "rbac.authorization.k8s.io";

/// Fills in the groups that a binding leaves out.
pub(crate) fn fill(resource: Resource, object: &mut Value) {
    match resource {
        Resource::RoleBinding | Resource::ClusterRoleBinding => {}
        Resource::Role | Resource::ClusterRole => {
            // Rules are told even where there are none.
            if object.get("rules").is_none() {
                object["rules"] = Value::Null;
            }
            return;
        }
        Resource::Namespace
        | Resource::Pod
        | Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease => return,
    }
    if text(&object["roleRef"]["apiGroup"]).is_empty() {
        object["roleRef"]["apiGroup"] = GROUP.into();
    }
    for subject in object
        .get_mut("subjects")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if matches!(text(&subject["kind"]), "User" | "Group")
            && text(&subject["apiGroup"]).is_empty()
        {
            subject["apiGroup"] = GROUP.into();
        }
    }
}

/// What is wrong with a role or a binding.
pub(crate) fn faults(resource: Resource, object: &Value) -> Vec<Cause> {
    match resource {
        Resource::Role | Resource::ClusterRole => {
            rule_faults(object, resource == Resource::ClusterRole)
        }
        Resource::RoleBinding | Resource::ClusterRoleBinding => {
            binding_faults(object, resource == Resource::RoleBinding)
        }
        Resource::Namespace
        | Resource::Pod
        | Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease => Vec::new(),
    }
}

/// What may not change in a binding: to whom else it gives its role, but not another role.
pub(crate) fn change_faults(current: &Value, next: &Value) -> Vec<Cause> {
    if current.get("roleRef") == next.get("roleRef") {
        return Vec::new();
    }
    vec![Cause::invalid(
        "roleRef",
        &next["roleRef"],
        "cannot change roleRef",
    )]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rule_faults(role: &Value, paths_allowed: bool) -> Vec<Cause> {
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let mut causes = Vec::new();
    for (index, rule) in role["rules"].as_array().into_iter().flatten().enumerate() {
        let field = |member: &str| format!("rules[{index}].{member}");
        if is_empty(&rule["verbs"]) {
            causes.push(Cause::required(
                field("verbs"),
                "verbs must contain at least one value",
            ));
        }
        if !is_empty(&rule["nonResourceURLs"]) {
            let shown = &rule["nonResourceURLs"];
            if !paths_allowed {
                let why = "namespaced rules cannot apply to non-resource URLs";
                causes.push(Cause::invalid(field("nonResourceURLs"), shown, why));
            }
            if !(is_empty(&rule["apiGroups"]) && is_empty(&rule["resources"])) {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                causes.push(Cause::invalid(field("nonResourceURLs"), shown, why));
            }
            continue;
        }
        if is_empty(&rule["apiGroups"]) {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(field("apiGroups"), why));
        }
        if is_empty(&rule["resources"]) {
            let why = "resource rules must supply at least one resource";
            causes.push(Cause::required(field("resources"), why));
        }
    }
    causes
}

fn binding_faults(binding: &Value, in_namespace: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    let reference = &binding["roleRef"];
    if text(&reference["apiGroup"]) != GROUP {
        let given = text(&reference["apiGroup"]);
        causes.push(Cause::not_supported("roleRef.apiGroup", given, &[GROUP]));
    }
    let kinds: &[&str] = if in_namespace {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    let kind = text(&reference["kind"]);
    if !kinds.contains(&kind) {
        causes.push(Cause::not_supported("roleRef.kind", kind, kinds));
    }
    if text(&reference["name"]).is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    let subjects = binding["subjects"].as_array().into_iter().flatten();
    for (index, subject) in subjects.enumerate() {
        let field = |member: &str| format!("subjects[{index}].{member}");
        if text(&subject["name"]).is_empty() {
            causes.push(Cause::required(field("name"), ""));
        }
        let (kind, group) = (text(&subject["kind"]), text(&subject["apiGroup"]));
        let wanted_group = match kind {
            "ServiceAccount" => "",
            "User" | "Group" => GROUP,
            other => {
                let known = &["ServiceAccount", "User", "Group"];
                causes.push(Cause::not_supported(field("kind"), other, known));
                continue;
            }
        };
        if group != wanted_group {
            causes.push(Cause::not_supported(
                field("apiGroup"),
                group,
                &[wanted_group],
            ));
        }
        if kind == "ServiceAccount" && !in_namespace && text(&subject["namespace"]).is_empty() {
            causes.push(Cause::required(field("namespace"), ""));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(causes: &[Cause]) -> Vec<&str> {
        causes.iter().map(|cause| cause.field.as_str()).collect()
    }

    #[test]
    fn a_rule_says_what_it_is_about() {
        let role = json!({"rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": [], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "resources": ["pods"]},
            {"verbs": ["get"], "nonResourceURLs": ["/version"]},
        ]});
        let own = faults(Resource::Role, &role);
        assert_eq!(
            fields(&own),
            [
                "rules[1].verbs",
                "rules[2].apiGroups",
                "rules[3].nonResourceURLs"
            ]
        );
        let cluster = faults(Resource::ClusterRole, &role);
        assert_eq!(fields(&cluster), ["rules[1].verbs", "rules[2].apiGroups"]);
    }

    #[test]
    fn a_binding_names_a_role_that_its_kind_can_give_and_keeps_it() {
        let mut binding = json!({
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"},
                {"kind": "Robot", "name": "x"}],
        });
        fill(Resource::RoleBinding, &mut binding);
        assert_eq!(binding["subjects"][0]["apiGroup"], GROUP);
        let own = faults(Resource::RoleBinding, &binding);
        assert_eq!(fields(&own), ["subjects[2].kind"]);
        let cluster = faults(Resource::ClusterRoleBinding, &binding);
        assert_eq!(
            fields(&cluster),
            ["roleRef.kind", "subjects[1].namespace", "subjects[2].kind"]
        );
        let mut other = binding.clone();
        other["roleRef"]["name"] = "other".into();
        assert_eq!(fields(&change_faults(&binding, &other)), ["roleRef"]);
        assert_eq!(change_faults(&binding, &binding), []);
    }
}
