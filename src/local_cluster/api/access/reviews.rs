//! Who one is and what one may do.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview};
use serde_json::{Value, json};

use super::attributes::{Attributes, Place, Wanted};
use super::rules;
use super::user::User;
use crate::local_cluster::api::decode;
use crate::local_cluster::api::media;
use crate::local_cluster::api::refusal::{Cause, Refusal};
use crate::local_cluster::api::serve::Api;

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The kinds that take reviews: group, plural, kind.
const REVIEWS: [(&str, &str, &str); 3] = [
    (
        AUTHORIZATION,
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
    ),
    (
        AUTHORIZATION,
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
    ),
    (AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
];

/// Whether `path` takes reviews.
pub(crate) fn is_review(path: &str) -> bool {
    review_kind(path).is_some()
}

/// The group and the plural of the reviews that `path` takes.
pub(crate) fn review_kind(path: &str) -> Option<(&'static str, &'static str)> {
    let (group, plural) = path.strip_prefix("apis/")?.split_once("/v1/")?;
    REVIEWS
        .into_iter()
        .find(|one| (one.0, one.1) == (group, plural))
        .map(|(group, plural, _)| (group, plural))
}

/// Answers a POST of a review by `user`.
pub(crate) fn respond(
    api: &Api,
    user: &User,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let (group, plural) = review_kind(path).ok_or_else(Refusal::method_not_allowed)?;
    let version = format!("{group}/v1");
    let form = media::body_form(headers)?;
    let (kind, spec, status) = match plural {
        "selfsubjectaccessreviews" => {
            let kind = "SelfSubjectAccessReview";
            let review: SelfSubjectAccessReview = decode::review(kind, &version, body, form)?;
            let status = access(api, user, &review)?;
            (kind, Some(json!(review.spec)), status)
        }
        "selfsubjectrulesreviews" => {
            let kind = "SelfSubjectRulesReview";
            let review: SelfSubjectRulesReview = decode::review(kind, &version, body, form)?;
            let namespace = review.spec.namespace.as_deref().unwrap_or_default();
            if namespace.is_empty() {
                return Err(Refusal::bad_request("no namespace on request"));
            }
            (kind, Some(json!({})), all_rules(api, user, namespace))
        }
        _ => {
            let kind = "SelfSubjectReview";
            let _: SelfSubjectReview = decode::review(kind, &version, body, form)?;
            let mut info = json!({"username": user.name, "groups": user.groups});
            if let Some(uid) = &user.uid {
                info["uid"] = uid.as_str().into();
            }
            (kind, None, json!({"userInfo": info}))
        }
    };
    let mut review = json!({"kind": kind, "apiVersion": version, "metadata": {}});
    if let Some(spec) = spec {
        review["spec"] = spec;
    }
    review["status"] = status;
    Ok(media::json(StatusCode::CREATED, &review))
}

fn access(api: &Api, user: &User, review: &SelfSubjectAccessReview) -> Result<Value, Refusal> {
    let spec = &review.spec;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let wanted = match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(one), None) => Attributes {
            verb: text(&one.verb),
            what: Wanted::Objects(Place {
                group: text(&one.group),
                resource: text(&one.resource),
                subresource: text(&one.subresource),
                namespace: text(&one.namespace),
                name: text(&one.name),
            }),
        },
        (None, Some(one)) => Attributes {
            verb: text(&one.verb),
            what: Wanted::Path(text(&one.path)),
        },
        (given, _) => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let cause = Cause::invalid("spec.resourceAttributes", &json!(given), why);
            let kind = "SelfSubjectAccessReview";
            return Err(Refusal::invalid(AUTHORIZATION, kind, "", &[cause]));
        }
    };
    Ok(match rules::allowing(&api.objects, user, &wanted) {
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn all_rules(api: &Api, user: &User, namespace: &str) -> Value {
    let (mut of_resources, mut of_paths) = (Vec::new(), Vec::new());
    for granted in rules::granted(&api.objects, user, namespace) {
        if granted.rule.get("nonResourceURLs").is_some() {
            of_paths.push(granted.rule);
        } else {
            of_resources.push(granted.rule);
        }
    }
    json!({"incomplete": false, "resourceRules": of_resources, "nonResourceRules": of_paths})
}

/// The resources of a group that only takes reviews, if `path` names one.
pub(crate) fn discovered(path: &str) -> Option<Value> {
    let wanted = path.strip_prefix("apis/")?.strip_suffix("/v1")?;
    let resources: Vec<Value> = REVIEWS
        .into_iter()
        .filter(|(group, ..)| *group == wanted)
        .map(|(_, plural, kind)| {
            json!({
                "name": plural,
                "singularName": kind.to_lowercase(),
                "namespaced": false,
                "kind": kind,
                "verbs": ["create"],
            })
        })
        .collect();
    if resources.is_empty() {
        return None;
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{wanted}/v1"),
        "resources": resources,
    }))
}
