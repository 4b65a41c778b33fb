//! Changing an object, whole (PUT) or in part (PATCH).

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::access;
use super::create::{add_warnings, complaints, create, data_faults, merge_string_data, name_fault};
use super::decode;
use super::media;
use super::metadata;
use super::ownership::{self, Applied};
use super::patch::Patch;
use super::pods::{defaults, update, validate};
use super::query::{FieldValidation, Query};
use super::refusal::{Cause, Refusal};
use super::serve::Api;
use super::target::Collection;
use crate::local_cluster::objects::{Object, ObjectError, ObjectKey, Preconditions, Resource};

/// Tries to carry out a change that does not name a version, when others change the object too.
const TRIES: usize = 20;

/// Which part of an object a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status.
    Main,
    /// The status, and labels and annotations.
    Status,
}

/// Who changes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Whoever applies; the records of who owns what come with the change.
    Applier,
    /// Anybody else, by this name.
    Other(String),
}

/// The name under which a client's writes are recorded.
fn manager(query: &Query, headers: &HeaderMap) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split('/').next());
    let name = query.text("fieldManager").or(agent).unwrap_or("unknown");
    name.chars().take(128).collect()
}

/// Answers a PUT.
pub(crate) fn put(
    api: &Api,
    key: &ObjectKey,
    part: Part,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let dry_run = query.dry_run("UpdateOptions")?;
    let validation = query.field_validation("UpdateOptions")?;
    let decoded = decode::body(key.resource, body, media::body_form(headers)?)?;
    let warnings = complaints(key.resource, &decoded, validation)?;
    check_names(key, &decoded.object)?;
    let by = Writer::Other(manager(query, headers));
    let object = change(api, key, part, dry_run, &by, |_| Ok(decoded.object.clone()))?;
    let mut response = media::object(StatusCode::OK, &object);
    add_warnings(&mut response, &warnings);
    Ok(response)
}

/// Answers a PATCH.
pub(crate) fn patch(
    api: &Api,
    key: &ObjectKey,
    part: Part,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let patch = Patch::parse(headers, query, body)?;
    let dry_run = query.dry_run("PatchOptions")?;
    let validation = query.field_validation("PatchOptions")?;
    let manager = manager(query, headers);
    let applied = match (&patch, part) {
        (Patch::Apply(wanted), Part::Main) => Some(Applied {
            wanted,
            manager: &manager,
            force: query.flag("force"),
        }),
        (Patch::Apply(_) | Patch::Merge(_) | Patch::Strategic(_) | Patch::Json(_), _) => None,
    };
    if let Some(applied) = &applied
        && api.objects.get(key).is_none()
    {
        return apply_new(api, key, applied, dry_run, validation);
    }
    let by = match &applied {
        Some(_) => Writer::Applier,
        None => Writer::Other(manager.clone()),
    };
    let mut warnings = Vec::new();
    let object = change(api, key, part, dry_run, &by, |current| {
        let mut checked = |patched: Value| {
            let decoded = decode::typed(key.resource, patched)?;
            warnings = complaints(key.resource, &decoded, validation)?;
            check_names(key, &decoded.object)?;
            Ok(decoded.object)
        };
        if let Some(applied) = &applied {
            return ownership::apply(key.resource, current, applied, checked);
        }
        let patched = patch.apply(key.resource, current)?;
        // A status is taken as it is: its empty members mean something.
        if part == Part::Status {
            decode::typed(key.resource, patched.clone())?;
            return Ok(patched);
        }
        checked(patched)
    })?;
    let mut response = media::object(StatusCode::OK, &object);
    add_warnings(&mut response, &warnings);
    Ok(response)
}

/// An apply of an object that is not there yet creates it.
fn apply_new(
    api: &Api,
    key: &ObjectKey,
    applied: &Applied<'_>,
    dry_run: bool,
    validation: FieldValidation,
) -> Result<Response, Refusal> {
    let decoded = decode::typed(key.resource, applied.wanted.clone())?;
    let mut warnings = complaints(key.resource, &decoded, validation)?;
    let mut object = decoded.object;
    object["metadata"]["name"] = key.name.as_str().into();
    let collection = Collection {
        resource: key.resource,
        namespace: key.namespace.clone(),
        events_group: false,
        watch: None,
    };
    let object = create(
        api,
        &collection,
        object,
        Some(applied),
        dry_run,
        &mut warnings,
    )?;
    let mut response = media::object(StatusCode::CREATED, &object);
    add_warnings(&mut response, &warnings);
    Ok(response)
}

fn check_names(key: &ObjectKey, object: &Value) -> Result<(), Refusal> {
    let text = |member: &str| object["metadata"][member].as_str().unwrap_or_default();
    let name = text("name");
    if name != key.name && !name.is_empty() {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let namespace = text("namespace");
    if !namespace.is_empty() && key.namespace.as_deref() != Some(namespace) {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// Carries out a change. `make` gets the object as it is and returns what the client wants it to
/// be; it is asked again when the object changed meanwhile.
pub(crate) fn change(
    api: &Api,
    key: &ObjectKey,
    part: Part,
    dry_run: bool,
    by: &Writer,
    mut make: impl FnMut(&Value) -> Result<Value, Refusal>,
) -> Result<Object, Refusal> {
    let resource = key.resource;
    for _ in 0..TRIES {
        let current = api
            .objects
            .get(key)
            .ok_or_else(|| Refusal::not_found(resource.plural(), &key.name))?;
        let wanted = make(&current)?;
        let version = wanted["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default();
        if !version.is_empty() && current["metadata"]["resourceVersion"] != version {
            return Err(Refusal::modified(resource.plural(), &key.name));
        }
        let next = settle(key, part, &current, wanted, by)?;
        if dry_run {
            return Ok(next.into());
        }
        let expected = Preconditions {
            uid: None,
            resource_version: current["metadata"]["resourceVersion"]
                .as_str()
                .map(str::to_owned),
        };
        match api.objects.update(key, expected, |object| *object = next) {
            Ok(object) => return Ok(object),
            Err(ObjectError::Conflict { .. }) => {}
            Err(error) => return Err(Refusal::from_store(resource, &error)),
        }
    }
    Err(Refusal::modified(resource.plural(), &key.name))
}

/// The object as it will be: what the client may change from `wanted`, the rest from `current`.
fn settle(
    key: &ObjectKey,
    part: Part,
    current: &Value,
    wanted: Value,
    by: &Writer,
) -> Result<Value, Refusal> {
    let resource = key.resource;
    let claimed = wanted["metadata"].get("managedFields").cloned();
    let mut causes = Vec::new();
    let uid = wanted["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && current["metadata"]["uid"] != uid {
        causes.push(Cause::invalid(
            "metadata.uid",
            &uid.into(),
            "field is immutable",
        ));
    }
    let mut next = match part {
        Part::Main => wanted,
        Part::Status => {
            let mut next = current.clone();
            next["metadata"] = wanted["metadata"].clone();
            next["status"] = wanted["status"].clone();
            next
        }
    };
    metadata::prepare_changed(&mut next, current);
    if part == Part::Main {
        keep_status(&mut next, current);
        match resource {
            Resource::Pod => {
                validate::check_quantities(&next["spec"])?;
                if let Some(spec) = next["spec"].as_object_mut() {
                    keep_server_fields(spec, &current["spec"]);
                    defaults::fill_spec(spec);
                }
                causes.extend(validate::spec_faults(&next["spec"]));
                causes.extend(update::faults(&current["spec"], &next["spec"]));
                if next["spec"] != current["spec"] {
                    let generation = current["metadata"]["generation"].as_i64().unwrap_or(1);
                    next["metadata"]["generation"] = (generation + 1).into();
                }
            }
            Resource::Namespace => {
                next["spec"] = current["spec"].clone();
                next["metadata"]["labels"]["kubernetes.io/metadata.name"] =
                    key.name.as_str().into();
            }
            Resource::Secret => {
                merge_string_data(&mut next);
                if next["type"].as_str().is_none_or(str::is_empty) {
                    next["type"] = current["type"].clone();
                }
                causes.extend(immutable_faults(current, &next));
                causes.extend(data_faults(&next));
            }
            Resource::ConfigMap => {
                causes.extend(immutable_faults(current, &next));
                causes.extend(data_faults(&next));
            }
            Resource::Role
            | Resource::RoleBinding
            | Resource::ClusterRole
            | Resource::ClusterRoleBinding => {
                access::fill(resource, &mut next);
                causes.extend(access::faults(resource, &next));
                causes.extend(access::change_faults(current, &next));
            }
            Resource::Event | Resource::ServiceAccount | Resource::Node | Resource::Lease => {}
        }
    }
    causes.extend(metadata::faults(&next["metadata"], name_fault(resource)));
    match (by, part) {
        (Writer::Applier, _) => {
            if let Some(claimed) = claimed {
                next["metadata"]["managedFields"] = claimed;
            }
        }
        (Writer::Other(manager), Part::Main) => {
            ownership::track(resource, current, &mut next, claimed.as_ref(), manager);
        }
        (Writer::Other(_), Part::Status) => {}
    }
    if causes.is_empty() {
        Ok(next)
    } else {
        Err(Refusal::invalid(
            resource.group(),
            resource.kind(),
            &key.name,
            &causes,
        ))
    }
}

/// Only the status subresource changes the status.
fn keep_status(next: &mut Value, current: &Value) {
    if let Some(object) = next.as_object_mut() {
        match current.get("status") {
            Some(status) => object.insert("status".into(), status.clone()),
            None => object.shift_remove("status"),
        };
    }
}

/// What the cluster wrote into a pod's spec stays when a client sends the spec without it.
fn keep_server_fields(spec: &mut serde_json::Map<String, Value>, current: &Value) {
    for member in ["nodeName", "serviceAccount", "serviceAccountName"] {
        if let Some(value) = current.get(member) {
            spec.entry(member).or_insert_with(|| value.clone());
        }
    }
}

fn immutable_faults(current: &Value, next: &Value) -> Vec<Cause> {
    if current["immutable"] != true {
        return Vec::new();
    }
    ["data", "binaryData", "immutable"]
        .into_iter()
        .filter(|member| current.get(*member) != next.get(*member))
        .map(|member| Cause::forbidden(member, "field is immutable when `immutable` is set"))
        .collect()
}
