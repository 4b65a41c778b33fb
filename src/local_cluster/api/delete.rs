//! Deleting objects, one or many.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::decode::parse_json;
use super::list;
use super::media::{self, Form};
use super::pods::deletion;
use super::query::{DeleteOptions, ListOptions, Query};
use super::refusal::Refusal;
use super::selection::Selection;
use super::serve::Api;
use super::target::Collection;
use crate::local_cluster::objects::{Object, ObjectError, ObjectKey, Preconditions, Resource, now};

/// Namespaces that the cluster needs.
const KEPT_NAMESPACES: [&str; 2] = ["default", "kube-system"];

/// The delete options in a request's body and query.
pub(crate) fn options(
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<DeleteOptions, Refusal> {
    let value = if body.iter().all(u8::is_ascii_whitespace) {
        None
    } else {
        media::body_form(headers)?;
        let value = parse_json(body).map_err(|why| {
            Refusal::bad_request(format!(
                "couldn't get version/kind; json parse error: {why}"
            ))
        })?;
        Some(value)
    };
    DeleteOptions::parse(query, value.as_ref())
}

/// Answers the deletion of one object.
pub(crate) fn respond(
    api: &Api,
    key: &ObjectKey,
    options: &DeleteOptions,
) -> Result<Response, Refusal> {
    let object = delete(api, key, options)?;
    Ok(match key.resource {
        // These answer with the object, the others with a Status.
        Resource::Pod | Resource::Namespace | Resource::ServiceAccount => {
            media::object(StatusCode::OK, &object)
        }
        Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::Node
        | Resource::Lease
        | Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => media::json(StatusCode::OK, &success(key, &object)),
    })
}

fn success(key: &ObjectKey, object: &Value) -> Value {
    let mut details = json!({
        "name": key.name,
        "kind": key.resource.plural(),
        "uid": object["metadata"]["uid"],
    });
    if !key.resource.group().is_empty() {
        details["group"] = key.resource.group().into();
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

/// Deletes one object and returns it as it is then.
pub(crate) fn delete(
    api: &Api,
    key: &ObjectKey,
    options: &DeleteOptions,
) -> Result<Object, Refusal> {
    let current = api
        .objects
        .get(key)
        .ok_or_else(|| Refusal::not_found(key.resource.plural(), &key.name))?;
    check_preconditions(key, &current, options)?;
    let result = match key.resource {
        Resource::Pod => {
            deletion::delete(&api.objects, key, current, options, jiff::Timestamp::now())
        }
        Resource::Namespace => return delete_namespace(api, key, options),
        Resource::Event
        | Resource::Secret
        | Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Node
        | Resource::Lease
        | Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => {
            if options.dry_run {
                return Ok(current);
            }
            api.objects.remove(
                key,
                Preconditions {
                    uid: options.uid.clone(),
                    resource_version: options.resource_version.clone(),
                },
            )
        }
    };
    result.map_err(|error| match error {
        ObjectError::Conflict {
            field,
            expected,
            found,
            ..
        } => precondition_failed(key, field, &expected, &found),
        other @ (ObjectError::NotFound(_)
        | ObjectError::AlreadyExists { .. }
        | ObjectError::Expired { .. }
        | ObjectError::Malformed(_)
        | ObjectError::Storage(_)) => Refusal::from_store(key.resource, &other),
    })
}

/// A namespace goes once everything in it has gone.
fn delete_namespace(
    api: &Api,
    key: &ObjectKey,
    options: &DeleteOptions,
) -> Result<Object, Refusal> {
    if KEPT_NAMESPACES.contains(&key.name.as_str()) {
        return Err(Refusal::forbidden(
            "namespaces",
            Some(&key.name),
            "this namespace may not be deleted",
        ));
    }
    let mark = |namespace: &mut Value| {
        if namespace["metadata"].get("deletionTimestamp").is_none() {
            namespace["metadata"]["deletionTimestamp"] = now().into();
            namespace["status"]["phase"] = "Terminating".into();
        }
    };
    if options.dry_run {
        let mut shown = api
            .objects
            .get(key)
            .map(|found| (*found).clone())
            .ok_or_else(|| Refusal::not_found("namespaces", &key.name))?;
        mark(&mut shown);
        return Ok(shown.into());
    }
    api.objects
        .update(key, Preconditions::none(), mark)
        .map_err(|error| Refusal::from_store(Resource::Namespace, &error))
}

fn check_preconditions(
    key: &ObjectKey,
    current: &Object,
    options: &DeleteOptions,
) -> Result<(), Refusal> {
    for (field, expected) in [
        ("uid", &options.uid),
        ("resourceVersion", &options.resource_version),
    ] {
        let Some(expected) = expected else { continue };
        let found = current.text(&["metadata", field]).unwrap_or_default();
        if *expected != found {
            return Err(precondition_failed(key, field, expected, &found));
        }
    }
    Ok(())
}

fn precondition_failed(key: &ObjectKey, field: &str, expected: &str, found: &str) -> Refusal {
    let (name, hint) = if field == "uid" {
        ("UID", "deleted and then recreated")
    } else {
        ("ResourceVersion", "modified")
    };
    Refusal::conflict(
        key.resource.kind(),
        &key.name,
        &format!(
            "the {name} in the precondition ({expected}) does not match the {name} in record \
             ({found}). The object might have been {hint}"
        ),
    )
}

/// Answers the deletion of a selection.
pub(crate) fn respond_collection(
    api: &Api,
    collection: &Collection,
    query: &Query,
    options: &DeleteOptions,
) -> Result<Response, Refusal> {
    if collection.resource == Resource::Namespace || collection.namespace.is_none() {
        return Err(Refusal::method_not_allowed());
    }
    let listing = ListOptions::parse(query)?;
    let selection = Selection::parse(collection.resource, &listing)?;
    let mut page = list::page(api, collection, &selection, &listing)?;
    let mut deleted = Vec::with_capacity(page.objects.len());
    for object in &page.objects {
        let Some(key) = object.key(collection.resource) else {
            continue;
        };
        match delete(api, &key, options) {
            Ok(object) => deleted.push(object.packed()),
            // Gone already is what was asked for.
            Err(refusal) if refusal.code == StatusCode::NOT_FOUND.as_u16() => {}
            Err(refusal) => return Err(refusal),
        }
    }
    page.objects = deleted;
    Ok(media::json_bytes(
        StatusCode::OK,
        list::write(collection, &page, Form::Whole, None),
    ))
}
