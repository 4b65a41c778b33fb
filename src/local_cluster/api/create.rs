//! Creating an object: what is taken from the client, what is filled in, what is refused.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::access;
use super::decode::{self, Decoded};
use super::media;
use super::metadata;
use super::names::{label_fault, path_segment_fault, subdomain_fault};
use super::ownership::{self, Applied};
use super::pods::{defaults, validate};
use super::query::{FieldValidation, Query};
use super::refusal::{Cause, Refusal};
use super::serve::Api;
use super::target::Collection;
use crate::local_cluster::objects::{Object, ObjectKey, Resource, now};

/// Answers a POST to a collection.
pub(crate) fn respond(
    api: &Api,
    collection: &Collection,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let dry_run = query.dry_run("CreateOptions")?;
    let validation = query.field_validation("CreateOptions")?;
    let decoded = decode::body(collection.resource, body, media::body_form(headers)?)?;
    let mut warnings = complaints(collection.resource, &decoded, validation)?;
    let object = create(
        api,
        collection,
        decoded.object,
        None,
        dry_run,
        &mut warnings,
    )?;
    let mut response = media::object(StatusCode::CREATED, &object);
    add_warnings(&mut response, &warnings);
    Ok(response)
}

/// What becomes of members that nobody knows: an error, warnings, or nothing.
pub(crate) fn complaints(
    resource: Resource,
    decoded: &Decoded,
    validation: FieldValidation,
) -> Result<Vec<String>, Refusal> {
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(decoded.complaints.clone()),
        FieldValidation::Strict if decoded.complaints.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => Err(Refusal::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
            resource.kind(),
            resource.api_version(),
            resource.kind(),
            decoded.complaints.join(", ")
        ))),
    }
}

/// Adds what a client should know although its request was carried out.
pub(crate) fn add_warnings(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// Creates `object`, already checked for its types; `applied` is what it was applied from, if it was.
pub(crate) fn create(
    api: &Api,
    collection: &Collection,
    mut object: Value,
    applied: Option<&Applied<'_>>,
    dry_run: bool,
    warnings: &mut Vec<String>,
) -> Result<Object, Refusal> {
    let resource = collection.resource;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let given = |member: &str| {
        object["metadata"][member]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(namespace) = &collection.namespace
        && given("namespace").is_some_and(|given| given != *namespace)
    {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if given("resourceVersion").is_some() {
        return Err(Refusal::internal(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let name = given("name").unwrap_or_default();
    metadata::prepare_new(&mut object, collection.namespace.as_deref());
    if let Some(namespace) = &collection.namespace {
        admit_into(api, resource, &name, namespace)?;
    }
    fill(resource, &mut object)?;
    if let Some(applied) = applied {
        ownership::first(resource, applied, &mut object);
    }
    let mut causes = metadata::faults(&object["metadata"], name_fault(resource));
    causes.extend(content_faults(resource, &object));
    if !causes.is_empty() {
        return Err(Refusal::invalid(
            group_of(resource),
            resource.kind(),
            &name,
            &causes,
        ));
    }
    if resource == Resource::Pod && name.len() > 63 {
        warnings.push(
            "metadata.name: this becomes the pod's hostname, which should be a DNS label: must be no more than 63 characters"
                .to_owned(),
        );
    }
    if dry_run {
        return tried_out(api, resource, object);
    }
    let created = api
        .objects
        .create(resource, object)
        .map_err(|error| Refusal::from_store(resource, &error))?;
    if resource == Resource::Namespace
        && let Some(name) = created["metadata"]["name"].as_str()
    {
        furnish_namespace(api, name);
    }
    Ok(created)
}

/// What a dry run answers: the object that would have been created, without a version.
fn tried_out(api: &Api, resource: Resource, mut object: Value) -> Result<Object, Refusal> {
    if let Some(key) = ObjectKey::of(resource, &object)
        && let Some(found) = api.objects.get(&key)
    {
        return Err(Refusal::already_exists(
            resource.plural(),
            &key.name,
            found["metadata"].get("deletionTimestamp").is_some(),
        ));
    }
    object["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
    object["metadata"]["creationTimestamp"] = now().into();
    Ok(object.into())
}

/// A new namespace has a service account, as pods expect.
pub(crate) fn furnish_namespace(api: &Api, namespace: &str) {
    let account = json!({"metadata": {"name": "default", "namespace": namespace}});
    if let Err(error) = api.objects.create(Resource::ServiceAccount, account) {
        tracing::warn!(%error, namespace, "the namespace has no default service account");
    }
}

/// Whether something may be created in `namespace`.
fn admit_into(api: &Api, resource: Resource, name: &str, namespace: &str) -> Result<(), Refusal> {
    let key = ObjectKey::cluster(Resource::Namespace, namespace);
    let found = api
        .objects
        .get(&key)
        .ok_or_else(|| Refusal::not_found("namespaces", namespace))?;
    let leaving = found.text(&["metadata", "deletionTimestamp"]).is_some();
    if leaving && resource != Resource::Event {
        return Err(Refusal::namespace_terminating(
            resource.plural(),
            name,
            namespace,
        ));
    }
    Ok(())
}

/// Fills in what the client left out, and drops what only the cluster may say.
fn fill(resource: Resource, object: &mut Value) -> Result<(), Refusal> {
    match resource {
        Resource::Pod => {
            if !object["spec"].is_object() {
                object["spec"] = json!({"containers": []});
            }
            check_priority(object)?;
            validate::check_quantities(&object["spec"])?;
            if let Some(spec) = object["spec"].as_object_mut() {
                defaults::fill_spec(spec);
            }
            object["status"] = defaults::first_status(&object["spec"]);
            object["metadata"]["generation"] = 1.into();
        }
        Resource::Namespace => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
            if let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) {
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
            }
        }
        Resource::Secret => {
            merge_string_data(object);
            if object["type"].as_str().is_none_or(str::is_empty) {
                object["type"] = "Opaque".into();
            }
        }
        Resource::Event
        | Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease => {}
        Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => {
            access::fill(resource, object);
        }
    }
    Ok(())
}

/// A secret's plain texts become part of its data.
pub(crate) fn merge_string_data(secret: &mut Value) {
    use base64::Engine;
    let Some(texts) = secret
        .as_object_mut()
        .and_then(|secret| secret.shift_remove("stringData"))
    else {
        return;
    };
    for (name, text) in texts.as_object().into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        secret["data"][name] = base64::engine::general_purpose::STANDARD
            .encode(text)
            .into();
    }
}

fn check_priority(pod: &mut Value) -> Result<(), Refusal> {
    let class = pod["spec"]["priorityClassName"]
        .as_str()
        .unwrap_or_default();
    let priority = match class {
        "" => return Ok(()),
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        absent => {
            return Err(Refusal::forbidden(
                "pods",
                pod["metadata"]["name"].as_str(),
                &format!("no PriorityClass with name {absent} was found"),
            ));
        }
    };
    pod["spec"]["priority"] = priority.into();
    Ok(())
}

/// What the names of a kind must look like.
pub(crate) fn name_fault(resource: Resource) -> fn(&str) -> Option<&'static str> {
    match resource {
        Resource::Namespace => label_fault,
        Resource::Pod
        | Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease => subdomain_fault,
        // Names such as `system:discovery` are good ones here.
        Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => path_segment_fault,
    }
}

/// What is wrong with the object beside its metadata.
fn content_faults(resource: Resource, object: &Value) -> Vec<Cause> {
    match resource {
        Resource::Pod => validate::spec_faults(&object["spec"]),
        Resource::Secret | Resource::ConfigMap => data_faults(object),
        Resource::Namespace
        | Resource::Event
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease => Vec::new(),
        Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => access::faults(resource, object),
    }
}

/// The keys of secrets and config maps become file names.
pub(crate) fn data_faults(object: &Value) -> Vec<Cause> {
    ["data", "binaryData"]
        .into_iter()
        .filter_map(|member| Some((member, object[member].as_object()?)))
        .flat_map(|(member, data)| data.keys().map(move |key| (member, key)))
        .filter(|(_, key)| {
            key.is_empty()
                || key.len() > 253
                || matches!(key.as_str(), "." | "..")
                || !key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        })
        .map(|(member, key)| {
            Cause::invalid(
                format!("{member}[{key}]"),
                &key.as_str().into(),
                "a key must be letters, digits, '-', '_' and '.'",
            )
        })
        .collect()
}

fn group_of(resource: Resource) -> &'static str {
    resource.group()
}
