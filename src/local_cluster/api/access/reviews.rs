//! Who one is and what one may do: the owner of the token is one user, who may do everything.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::decode::parse_json;
use super::media;
use super::refusal::Refusal;

/// The only user.
const USER: &str = "adjourn-local";
/// The paths that are answered here.
const ACCESS: &str = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
const SUBJECT: &str = "apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Whether `path` takes reviews.
pub(super) fn is_review(path: &str) -> bool {
    matches!(path, ACCESS | RULES | SUBJECT)
}

/// Answers a POST of a review.
pub(super) fn respond(path: &str, body: &[u8]) -> Result<Response, Refusal> {
    let everything = json!(["*"]);
    let (version, kind, status) = match path {
        ACCESS => (
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            json!({"allowed": true, "reason": "the owner of the cluster's token may do everything"}),
        ),
        RULES => (
            "authorization.k8s.io/v1",
            "SelfSubjectRulesReview",
            json!({
                "incomplete": false,
                "resourceRules":
                    [{"verbs": everything, "apiGroups": everything, "resources": everything}],
                "nonResourceRules": [{"verbs": everything, "nonResourceURLs": everything}],
            }),
        ),
        SUBJECT => (
            "authentication.k8s.io/v1",
            "SelfSubjectReview",
            json!({"userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}}),
        ),
        _ => return Err(Refusal::method_not_allowed()),
    };
    let mut review = json!({"kind": kind, "apiVersion": version, "metadata": {}});
    // Whatever is asked, the answer is the same: a question that is not written as JSON is not
    // repeated in it.
    if let Ok(Value::Object(asked)) = parse_json(body)
        && let Some(spec) = asked.get("spec")
    {
        review["spec"] = spec.clone();
    }
    review["status"] = status;
    Ok(media::json(StatusCode::CREATED, &review))
}

/// The resources of a group that only takes reviews, if `path` names one.
pub(super) fn discovered(path: &str) -> Option<Value> {
    let (group, kinds): (_, &[_]) = match path {
        "apis/authorization.k8s.io/v1" => (
            "authorization.k8s.io",
            &[
                ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
                ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
            ],
        ),
        "apis/authentication.k8s.io/v1" => (
            "authentication.k8s.io",
            &[("selfsubjectreviews", "SelfSubjectReview")],
        ),
        _ => return None,
    };
    let resources: Vec<Value> = kinds
        .iter()
        .map(|(plural, kind)| {
            json!({
                "name": plural,
                "singularName": kind.to_lowercase(),
                "namespaced": false,
                "kind": kind,
                "verbs": ["create"],
            })
        })
        .collect();
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format!("{group}/v1"),
        "resources": resources,
    }))
}
