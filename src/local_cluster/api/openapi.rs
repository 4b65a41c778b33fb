//! The OpenAPI documents: which writes can check fields, and what the fields of each kind mean.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, ServiceAccount};
use k8s_openapi::api::events;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::discovery::VERSION;
use crate::local_cluster::objects::Resource;

/// The document of `group`, version 1.
pub(super) fn document(group: &str) -> Value {
    let mut paths = Map::new();
    let mut generator = SchemaSettings::openapi3().into_generator();
    // Of a group that only shows what another one keeps, nothing can be written.
    let only_shown = group == EVENTS;
    let kinds = || {
        Resource::ALL.into_iter().filter(|one| {
            if only_shown {
                *one == Resource::Event
            } else {
                one.group() == group
            }
        })
    };
    for one in kinds() {
        let base = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{group}/v1")
        };
        let inside = if one.namespaced() {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        paths.insert(
            format!("{base}{inside}/{}/{{name}}", one.plural()),
            operations(
                group,
                one,
                &["get"],
                if only_shown { &[] } else { &["patch", "put"] },
            ),
        );
        paths.insert(
            format!("{base}{inside}/{}", one.plural()),
            operations(
                group,
                one,
                &["list"],
                if only_shown { &[] } else { &["post"] },
            ),
        );
    }
    let names: Vec<_> = kinds()
        .map(|one| (one, describe(group, one, &mut generator)))
        .collect();
    let mut schemas = generator.take_definitions(true);
    for (resource, name) in names {
        if let Some(Value::Object(schema)) = schemas.get_mut(&name) {
            let kind = json!({"group": group, "version": "v1", "kind": resource.kind()});
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
        }
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// The group that shows the core group's events in its own form.
const EVENTS: &str = "events.k8s.io";

const WRITES: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];

/// What can be done at a path, by method; those who `write` take parameters.
fn operations(group: &str, resource: Resource, read: &[&str], write: &[&str]) -> Value {
    let mut all = Map::new();
    for action in read {
        // A list is asked for with the same method as an object.
        all.insert("get".to_owned(), operation(group, resource, action, &[]));
    }
    for action in write {
        let operation = operation(group, resource, action, WRITES);
        all.insert((*action).to_owned(), operation);
    }
    all.into()
}

fn operation(group: &str, resource: Resource, action: &str, parameters: &[&str]) -> Value {
    let query = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    json!({
        "parameters": parameters.iter().map(query).collect::<Vec<_>>(),
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind":
            {"group": group, "version": "v1", "kind": resource.kind()},
    })
}

/// Adds the schema of a kind, and of all that it is made of; gives its name.
fn describe(group: &str, resource: Resource, generator: &mut SchemaGenerator) -> String {
    fn of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> String {
        generator.subschema_for::<T>();
        T::schema_name().into_owned()
    }
    match resource {
        Resource::Namespace => of::<Namespace>(generator),
        Resource::Pod => of::<Pod>(generator),
        Resource::Event if group == EVENTS => of::<events::v1::Event>(generator),
        Resource::Event => of::<Event>(generator),
        Resource::Secret => of::<Secret>(generator),
        Resource::ConfigMap => of::<ConfigMap>(generator),
        Resource::ServiceAccount => of::<ServiceAccount>(generator),
        Resource::Node => of::<Node>(generator),
        Resource::Lease => of::<Lease>(generator),
        Resource::Role => of::<Role>(generator),
        Resource::RoleBinding => of::<RoleBinding>(generator),
        Resource::ClusterRole => of::<ClusterRole>(generator),
        Resource::ClusterRoleBinding => of::<ClusterRoleBinding>(generator),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_described_and_every_reference_leads_somewhere() {
        for group in [
            "",
            "coordination.k8s.io",
            "events.k8s.io",
            "rbac.authorization.k8s.io",
        ] {
            let document = document(group);
            let schemas = &document["components"]["schemas"];
            let text = document.to_string();
            for part in text.split("\"$ref\":\"").skip(1) {
                let reference = part.split('"').next().unwrap();
                let name = reference.strip_prefix("#/components/schemas/").unwrap();
                assert!(schemas[name].is_object(), "{name}");
            }
        }
        let pod = &document("")["components"]["schemas"]["io.k8s.api.core.v1.Pod"];
        assert_eq!(
            pod["x-kubernetes-group-version-kind"],
            json!([{"group": "", "version": "v1", "kind": "Pod"}])
        );
        let events = document("events.k8s.io");
        let shown = &events["components"]["schemas"]["io.k8s.api.events.v1.Event"];
        assert!(shown["properties"]["note"].is_object());
        let path = "/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}";
        let methods: Vec<_> = events["paths"][path].as_object().unwrap().keys().collect();
        assert_eq!(methods, ["get"]);
    }
}
