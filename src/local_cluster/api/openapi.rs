//! The OpenAPI documents: which writes can check fields, and what the fields of each kind mean.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::discovery::VERSION;
use crate::local_cluster::objects::Resource;

/// The document of `group`, version 1.
pub(super) fn document(group: &str) -> Value {
    let mut paths = Map::new();
    let mut generator = SchemaSettings::openapi3().into_generator();
    let kinds = || Resource::ALL.into_iter().filter(|one| one.group() == group);
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
            json!({"get": operation(one, "get", &[]), "patch": operation(one, "patch", WRITES),
                "put": operation(one, "put", WRITES)}),
        );
        paths.insert(
            format!("{base}{inside}/{}", one.plural()),
            json!({"get": operation(one, "list", &[]), "post": operation(one, "post", WRITES)}),
        );
    }
    let names: Vec<_> = kinds()
        .map(|one| (one, describe(one, &mut generator)))
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

const WRITES: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];

fn operation(resource: Resource, action: &str, parameters: &[&str]) -> Value {
    let query = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    json!({
        "parameters": parameters.iter().map(query).collect::<Vec<_>>(),
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind":
            {"group": resource.group(), "version": "v1", "kind": resource.kind()},
    })
}

/// Adds the schema of a kind, and of all that it is made of; gives its name.
fn describe(resource: Resource, generator: &mut SchemaGenerator) -> String {
    fn of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> String {
        generator.subschema_for::<T>();
        T::schema_name().into_owned()
    }
    match resource {
        Resource::Namespace => of::<Namespace>(generator),
        Resource::Pod => of::<Pod>(generator),
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
        for group in ["", "coordination.k8s.io", "rbac.authorization.k8s.io"] {
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
    }
}
