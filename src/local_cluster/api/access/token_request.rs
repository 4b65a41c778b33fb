//! Asking for a token of a service account.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::TokenRequest;
use serde_json::json;

use super::bearer::{AUDIENCE, Wish};
use crate::local_cluster::api::decode;
use crate::local_cluster::api::media;
use crate::local_cluster::api::query::Query;
use crate::local_cluster::api::refusal::{Cause, Refusal};
use crate::local_cluster::api::serve::Api;
use crate::local_cluster::objects::{ObjectKey, Resource, now};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
/// How long a token lives if nothing else is asked for, in seconds.
const USUAL_LIFE: i64 = 3600;
/// The shortest and the longest life that can be asked for, in seconds.
const SHORTEST_LIFE: i64 = 600;
const LONGEST_LIFE: i64 = 1 << 32;

/// Answers a POST to the `token` subresource of the service account `key`. Lives of less than ten
/// minutes are refused as by a real server, but for one that may be ordered to fail: there the
/// end of a token is to be tried out.
pub(crate) fn respond(
    api: &Api,
    key: &ObjectKey,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    query.dry_run("CreateOptions")?;
    let account = api
        .objects
        .get(key)
        .ok_or_else(|| Refusal::not_found("serviceaccounts", &key.name))?;
    let request: TokenRequest = decode::review(
        KIND,
        "authentication.k8s.io/v1",
        body,
        media::body_form(headers)?,
    )?;
    let wanted = request.spec.unwrap_or_default();
    let seconds = wanted.expiration_seconds.unwrap_or(USUAL_LIFE);
    let shortest = if api.faults.allowed() {
        1
    } else {
        SHORTEST_LIFE
    };
    let wrong = if seconds < shortest {
        Some("may not specify a duration less than 10 minutes")
    } else if seconds > LONGEST_LIFE {
        Some("may not specify a duration larger than 2^32 seconds")
    } else {
        None
    };
    if let Some(why) = wrong {
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.into(), why);
        return Err(Refusal::invalid(GROUP, KIND, "", &[cause]));
    }
    let mut audiences = wanted.audiences.unwrap_or_default();
    if audiences.is_empty() {
        audiences = vec![AUDIENCE.to_owned()];
    }
    let bound = match &wanted.bound_object_ref {
        None => None,
        Some(reference) => {
            let named = |text: &Option<String>| text.clone().unwrap_or_default();
            let (name, uid) = (named(&reference.name), named(&reference.uid));
            Some(bound_object(api, key, &named(&reference.kind), name, &uid)?)
        }
    };
    let wish = Wish {
        audiences,
        seconds,
        bound,
    };
    let (token, end) = api.signer.issue(&account, &wish, jiff::Timestamp::now());
    let mut spec = json!({"audiences": wish.audiences, "expirationSeconds": seconds});
    spec["boundObjectRef"] = json!(wanted.bound_object_ref);
    let answer = json!({
        "kind": KIND,
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "creationTimestamp": now(),
        },
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": end.to_string()},
    });
    Ok(media::json(StatusCode::CREATED, &answer))
}

/// The object with which the token is to end.
fn bound_object(
    api: &Api,
    account: &ObjectKey,
    kind: &str,
    name: String,
    uid: &str,
) -> Result<(Resource, String, String), Refusal> {
    let resource = match kind {
        "Pod" => Resource::Pod,
        "Secret" => Resource::Secret,
        other => {
            return Err(Refusal::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to object of type {other:?}: \
                 a Pod or a Secret can be named",
                account.name
            )));
        }
    };
    let namespace = account.namespace.clone().unwrap_or_default();
    let object = api
        .objects
        .get(&ObjectKey::namespaced(resource, namespace, name.as_str()))
        .ok_or_else(|| Refusal::not_found(resource.plural(), &name))?;
    let found = object.text(&["metadata", "uid"]).unwrap_or_default();
    if !uid.is_empty() && *uid != *found {
        return Err(Refusal::conflict(
            resource.plural(),
            &name,
            &format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record ({found})"
            ),
        ));
    }
    Ok((resource, name, found.into_owned()))
}
