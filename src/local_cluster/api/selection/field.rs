//! Field selectors: `status.phase!=Running,spec.nodeName=`.

use serde_json::Value;

use super::super::refusal::Refusal;
use crate::local_cluster::objects::{Object, Resource};

/// One comparison; all of a selector must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    path: String,
    value: String,
    equal: bool,
}

impl Term {
    /// The value that the field at `path` must have, if this demands one.
    pub fn demanded(&self, path: &str) -> Option<&str> {
        (self.equal && self.path == path).then_some(self.value.as_str())
    }

    pub fn matches(&self, object: &Object) -> bool {
        (read(object, &self.path) == self.value) == self.equal
    }
}

/// Reads `text`. Only the fields that the API indexes can be compared.
pub(super) fn parse(resource: Resource, text: &str) -> Result<Vec<Term>, Refusal> {
    let mut parts: Vec<&str> = split(text).collect();
    parts.sort_unstable();
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (path, value, equal) = term(part).ok_or_else(|| {
                Refusal::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                ))
            })?;
            if !known(resource, path) {
                return Err(Refusal::bad_request(format!(
                    "field label not supported: {path}"
                )));
            }
            Ok(Term {
                path: path.to_owned(),
                value: value
                    .replace("\\,", ",")
                    .replace("\\=", "=")
                    .replace("\\\\", "\\"),
                equal,
            })
        })
        .collect()
}

/// The parts between commas that no backslash protects.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut protected = false;
    text.split(move |letter| {
        let separates = letter == ',' && !protected;
        protected = letter == '\\' && !protected;
        separates
    })
}

fn term(part: &str) -> Option<(&str, &str, bool)> {
    let at = part.find(['=', '!'])?;
    let (path, rest) = part.split_at(at);
    for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some(value) = rest.strip_prefix(operator) {
            return Some((path, value, equal));
        }
    }
    None
}

fn known(resource: Resource, path: &str) -> bool {
    let own: &[&str] = match resource {
        Resource::Pod => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        Resource::Event => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Resource::Namespace => &["status.phase"],
        Resource::Secret => &["type"],
        Resource::Node => &["spec.unschedulable"],
        Resource::ConfigMap
        | Resource::ServiceAccount
        | Resource::Lease
        | Resource::Role
        | Resource::RoleBinding
        | Resource::ClusterRole
        | Resource::ClusterRoleBinding => &[],
    };
    path == "metadata.name"
        || (path == "metadata.namespace" && resource.namespaced())
        || own.contains(&path)
}

fn read(object: &Object, path: &str) -> String {
    let members: Vec<&str> = match path {
        "source" => vec!["source", "component"],
        path => path.split('.').collect(),
    };
    match (object.member(&members), path) {
        (Some(Value::String(text)), _) => text,
        (Some(Value::Bool(flag)), _) => flag.to_string(),
        (_, "spec.hostNetwork" | "spec.unschedulable") => "false".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(text: &str, object: &Object) -> bool {
        parse(Resource::Pod, text)
            .unwrap()
            .iter()
            .all(|term| term.matches(object))
    }

    #[test]
    fn terms_compare_what_the_object_says() {
        let pod = Object::from(json!({
            "metadata": {"name": "a1", "namespace": "n"},
            "spec": {"restartPolicy": "Never"},
            "status": {"phase": "Pending"},
        }));
        for yes in [
            "",
            "metadata.name=a1",
            "metadata.name==a1",
            "metadata.name!=b",
            "spec.nodeName=",
            "spec.hostNetwork=false",
            "status.phase!=Succeeded,status.phase!=Failed",
        ] {
            assert!(matches(yes, &pod), "{yes}");
        }
        for no in [
            "metadata.name=a1,metadata.name=a2",
            "spec.nodeName=node1",
            "status.phase=Running",
        ] {
            assert!(!matches(no, &pod), "{no}");
        }
    }

    #[test]
    fn unknown_fields_and_other_operators_are_refused() {
        let message = |text: &str| parse(Resource::Pod, text).unwrap_err().message;
        assert_eq!(
            message("spec.image=x"),
            "field label not supported: spec.image"
        );
        assert_eq!(
            message("metadata.name in (a1,a2)"),
            "invalid selector: 'metadata.name in (a1,a2)'; can't understand 'a2)'"
        );
    }
}
