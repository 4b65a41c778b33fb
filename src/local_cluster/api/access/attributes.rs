//! Who may ask: whoever has the cluster's token may do everything, nobody else anything.

use http::{HeaderMap, Method, header};

use super::discovery;
use super::query::Query;
use super::refusal::Refusal;
use super::target::Target;

/// Refuses a request without the cluster's token.
pub(crate) fn check(
    token: &str,
    headers: &HeaderMap,
    method: &Method,
    target: &Target,
    query: &Query,
) -> Result<(), Refusal> {
    let Some(credentials) = headers.get(header::AUTHORIZATION) else {
        return anonymous(method, target, query);
    };
    let given = credentials
        .as_bytes()
        .strip_prefix(b"Bearer ")
        .unwrap_or_default();
    if equal(given, token.as_bytes()) {
        Ok(())
    } else {
        Err(Refusal::unauthorized())
    }
}

/// Compares without telling by its duration how much was right.
fn equal(given: &[u8], wanted: &[u8]) -> bool {
    given.len() == wanted.len()
        && given
            .iter()
            .zip(wanted)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

fn anonymous(method: &Method, target: &Target, query: &Query) -> Result<(), Refusal> {
    const USER: &str = "User \"system:anonymous\" cannot";
    let verb = target.verb(method, query.flag("watch"));
    let place = |namespace: Option<&str>| match namespace {
        Some(namespace) => format!("in the namespace {namespace:?}"),
        None => "at the cluster scope".to_owned(),
    };
    let (plural, name, what, group, namespace) = match target {
        Target::Document(path) if discovery::is_public(path) => return Ok(()),
        Target::Document(path) => {
            let mut refusal = Refusal::forbidden("", None, "").with_details(serde_json::json!({}));
            refusal.message = format!("forbidden: {USER} get path \"/{path}\"");
            return Err(refusal);
        }
        Target::Collection(collection) => (
            collection.resource.plural(),
            None,
            collection.resource.plural().to_owned(),
            collection.resource.group(),
            collection.namespace.as_deref(),
        ),
        Target::Object(key) => (
            key.resource.plural(),
            Some(key.name.as_str()),
            key.resource.plural().to_owned(),
            key.resource.group(),
            key.namespace.as_deref(),
        ),
        Target::Sub(key, sub) => (
            key.resource.plural(),
            Some(key.name.as_str()),
            format!("{}/{}", key.resource.plural(), sub.name()),
            key.resource.group(),
            key.namespace.as_deref(),
        ),
    };
    Err(Refusal::forbidden(
        plural,
        name,
        &format!(
            "{USER} {verb} resource {what:?} in API group {group:?} {}",
            place(namespace)
        ),
    ))
}
