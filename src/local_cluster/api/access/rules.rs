//! What a user may do: the rules of the roles that are bound to them.

use serde_json::{Value, json};

use super::attributes::{Attributes, Place, Wanted};
use super::user::{ACCOUNT, User};
use crate::local_cluster::objects::{Object, ObjectKey, Objects, Resource};

/// A rule that holds for a user, and by which binding.
pub(super) struct Granted {
    pub rule: Value,
    pub by: String,
}

/// Why `user` may do what is wanted; none if they may not.
pub(super) fn allowing(objects: &Objects, user: &User, wanted: &Attributes) -> Option<String> {
    if user.is_master() {
        return Some("the owner of the cluster may do everything".to_owned());
    }
    let namespace = match &wanted.what {
        Wanted::Objects(place) => place.namespace.as_str(),
        Wanted::Path(_) => "",
    };
    granted(objects, user, namespace)
        .into_iter()
        .find(|granted| allows(&granted.rule, wanted))
        .map(|granted| granted.by)
}

/// The rules that hold for `user` in `namespace`; an empty one is the whole cluster.
pub(super) fn granted(objects: &Objects, user: &User, namespace: &str) -> Vec<Granted> {
    if user.is_master() {
        let all = json!(["*"]);
        let rule = json!({"verbs": all, "apiGroups": all, "resources": all});
        let paths = json!({"verbs": all, "nonResourceURLs": all});
        let by = "the cluster's owner".to_owned();
        let granted = |rule| Granted {
            rule,
            by: by.clone(),
        };
        return vec![granted(rule), granted(paths)];
    }
    let everywhere = objects.list(Resource::ClusterRoleBinding, None).0;
    let here = if namespace.is_empty() {
        Vec::new()
    } else {
        objects.list(Resource::RoleBinding, Some(namespace)).0
    };
    let mut all = Vec::new();
    for (kind, binding) in everywhere
        .iter()
        .map(|binding| (Resource::ClusterRoleBinding, binding))
        .chain(here.iter().map(|binding| (Resource::RoleBinding, binding)))
    {
        // The tree that is made here goes with the binding's own handle.
        let binding = binding.packed();
        if !subjects(&binding).any(|subject| names(subject, &binding, user)) {
            continue;
        }
        let Some(role) = role_of(objects, kind, &binding) else {
            continue;
        };
        let by = format!(
            "RBAC: allowed by {} {:?} of {} {:?}",
            kind.kind(),
            text(&binding["metadata"]["name"]),
            text(&binding["roleRef"]["kind"]),
            text(&binding["roleRef"]["name"])
        );
        for rule in role["rules"].as_array().into_iter().flatten() {
            all.push(Granted {
                rule: rule.clone(),
                by: by.clone(),
            });
        }
    }
    all
}

fn subjects(binding: &Value) -> impl Iterator<Item = &Value> {
    binding["subjects"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a binding's subject is `user` or one of their groups.
fn names(subject: &Value, binding: &Value, user: &User) -> bool {
    let name = text(&subject["name"]);
    match text(&subject["kind"]) {
        "User" => name == user.name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = subject["namespace"]
                .as_str()
                .filter(|namespace| !namespace.is_empty())
                .unwrap_or_else(|| text(&binding["metadata"]["namespace"]));
            user.name
                .strip_prefix(ACCOUNT)
                .and_then(|rest| rest.split_once(':'))
                == Some((namespace, name))
        }
        _ => false,
    }
}

fn role_of(objects: &Objects, kind: Resource, binding: &Value) -> Option<Object> {
    let reference = &binding["roleRef"];
    let name = text(&reference["name"]);
    let key = match text(&reference["kind"]) {
        "ClusterRole" => ObjectKey::cluster(Resource::ClusterRole, name),
        "Role" if kind == Resource::RoleBinding => {
            let namespace = text(&binding["metadata"]["namespace"]);
            ObjectKey::namespaced(Resource::Role, namespace, name)
        }
        _ => return None,
    };
    objects.get(&key)
}

/// Whether `rule` allows what is wanted.
fn allows(rule: &Value, wanted: &Attributes) -> bool {
    has(&rule["verbs"], &wanted.verb)
        && match &wanted.what {
            Wanted::Path(path) => texts(&rule["nonResourceURLs"]).any(|allowed| {
                allowed == path
                    || allowed
                        .strip_suffix('*')
                        .is_some_and(|prefix| path.starts_with(prefix))
            }),
            Wanted::Objects(place) => allows_place(rule, place),
        }
}

fn allows_place(rule: &Value, place: &Place) -> bool {
    let whole = place.with_subresource();
    let names = &rule["resourceNames"];
    has(&rule["apiGroups"], &place.group)
        && texts(&rule["resources"]).any(|allowed| {
            allowed == "*"
                || allowed == whole
                || (!place.subresource.is_empty()
                    && allowed
                        .strip_prefix("*/")
                        .is_some_and(|subresource| subresource == place.subresource))
        })
        && (names.as_array().is_none_or(Vec::is_empty)
            || texts(names).any(|name| name == place.name))
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn has(list: &Value, wanted: &str) -> bool {
    texts(list).any(|one| one == "*" || one == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(verb: &str, resource: &str, subresource: &str, name: &str) -> Attributes {
        Attributes {
            verb: verb.to_owned(),
            what: Wanted::Objects(Place {
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: "n".to_owned(),
                name: name.to_owned(),
                ..Place::default()
            }),
        }
    }

    #[test]
    fn a_rule_allows_what_it_names_and_nothing_beside_it() {
        let rule = |resources: Value, names: Value| {
            json!({"verbs": ["get"], "apiGroups": [""], "resources": resources,
                "resourceNames": names})
        };
        let pods = rule(json!(["pods"]), json!([]));
        assert!(allows(&pods, &wanted("get", "pods", "", "x")));
        assert!(!allows(&pods, &wanted("list", "pods", "", "")));
        assert!(!allows(&pods, &wanted("get", "pods", "exec", "x")));
        assert!(!allows(&pods, &wanted("get", "secrets", "", "x")));
        let exec = rule(json!(["pods/exec"]), Value::Null);
        assert!(allows(&exec, &wanted("get", "pods", "exec", "x")));
        assert!(!allows(&exec, &wanted("get", "pods", "", "x")));
        let any = rule(json!(["*/exec"]), Value::Null);
        assert!(allows(&any, &wanted("get", "pods", "exec", "x")));
        assert!(!allows(&any, &wanted("get", "pods", "log", "x")));
        assert!(!allows(&any, &wanted("get", "pods", "", "x")));
        let one = rule(json!(["*"]), json!(["x"]));
        assert!(allows(&one, &wanted("get", "pods", "log", "x")));
        assert!(!allows(&one, &wanted("get", "pods", "", "y")));
        assert!(!allows(&one, &wanted("get", "pods", "", "")));
        let mut other_group = wanted("get", "pods", "", "x");
        if let Wanted::Objects(place) = &mut other_group.what {
            "apps".clone_into(&mut place.group);
        }
        assert!(!allows(&pods, &other_group));
        let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/version", "/api/*"]});
        for (path, yes) in [("/version", true), ("/api/v1", true), ("/apis", false)] {
            let wanted = Attributes {
                verb: "get".to_owned(),
                what: Wanted::Path(path.to_owned()),
            };
            assert_eq!(allows(&paths, &wanted), yes, "{path}");
        }
    }

    #[test]
    fn a_role_is_a_right_only_where_it_is_bound() {
        let objects = Objects::in_memory();
        let reference = |kind: &str| json!({"kind": kind, "name": "reader"});
        let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        for (resource, object) in [
            (
                Resource::Role,
                json!({"metadata": {"name": "reader", "namespace": "n"}, "rules": rules}),
            ),
            (
                Resource::ClusterRole,
                json!({"metadata": {"name": "reader"}, "rules": rules}),
            ),
            (
                Resource::RoleBinding,
                json!({"metadata": {"name": "b", "namespace": "n"}, "roleRef": reference("Role"),
                    "subjects": [{"kind": "ServiceAccount", "name": "robot"}]}),
            ),
            (
                Resource::RoleBinding,
                json!({"metadata": {"name": "c", "namespace": "n"},
                    "roleRef": reference("ClusterRole"),
                    "subjects": [{"kind": "Group", "name": "system:serviceaccounts:m"}]}),
            ),
        ] {
            objects.create(resource, object).unwrap();
        }
        let may = |user: &User, namespace: &str| {
            let mut wanted = wanted("get", "pods", "", "x");
            if let Wanted::Objects(place) = &mut wanted.what {
                namespace.clone_into(&mut place.namespace);
            }
            allowing(&objects, user, &wanted).is_some()
        };
        let robot = User::account("n", "robot");
        assert!(may(&robot, "n"));
        assert!(!may(&robot, "m"));
        assert!(!may(&robot, ""));
        assert!(may(&User::account("m", "any"), "n"));
        assert!(!may(&User::account("n", "other"), "n"));
        assert!(!may(&User::nobody(), "n"));
        assert!(may(&User::owner(), "m"));
    }
}
