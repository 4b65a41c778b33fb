//! From the bytes of a request to an object of the right type.

use std::fmt;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::media::BodyForm;
use super::protobuf;
use super::refusal::Refusal;
use crate::local_cluster::objects::Resource;

/// An object whose members are known and of the right types.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub object: Value,
    /// Members that nobody knows, dropped from `object`; and those that came twice.
    pub complaints: Vec<String>,
}

/// Reads a request's body as an object of `resource`.
pub(crate) fn body(resource: Resource, bytes: &[u8], form: BodyForm) -> Result<Decoded, Refusal> {
    let (value, doubled) = value_of(resource.kind(), bytes, form)?;
    let mut decoded = typed(resource, value)?;
    decoded.complaints.extend(
        doubled
            .iter()
            .map(|path| format!("duplicate field {path:?}")),
    );
    Ok(decoded)
}

/// Reads a request's body as a question of `kind`, an object that nobody keeps. An empty body is
/// an empty question.
pub(crate) fn review<T: DeserializeOwned>(
    kind: &str,
    api_version: &str,
    bytes: &[u8],
    form: BodyForm,
) -> Result<T, Refusal> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let (mut value, _) = value_of(kind, bytes, form)?;
    check_kind((kind, api_version), &mut value)?;
    if value.get("spec").is_none() {
        value["spec"] = serde_json::json!({});
    }
    T::deserialize(&value).map_err(|why| {
        Refusal::bad_request(format!(
            "{kind} in version {api_version:?} cannot be handled as a {kind}: {why}"
        ))
    })
}

/// The JSON object in a request's body, and the paths of members that it has more than once.
fn value_of(kind: &str, bytes: &[u8], form: BodyForm) -> Result<(Value, Vec<String>), Refusal> {
    let unrecognized = |why: String| {
        Refusal::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get \
             version/kind; json parse error: {why} ({})",
            beginning(bytes)
        ))
    };
    let (value, doubled) = match form {
        BodyForm::Json => {
            let value: Value = parse_json(bytes).map_err(unrecognized)?;
            let doubled = doubled_members(bytes);
            (value, doubled)
        }
        BodyForm::Protobuf => (protobuf::decode(bytes).map_err(unrecognized)?, Vec::new()),
        BodyForm::Yaml => {
            let text =
                std::str::from_utf8(bytes).map_err(|error| unrecognized(error.to_string()))?;
            let value =
                serde_saphyr::from_str(text).map_err(|error| unrecognized(error.to_string()))?;
            (value, Vec::new())
        }
    };
    if !value.is_object() {
        return Err(unrecognized("it is not a JSON object".into()));
    }
    Ok((value, doubled))
}

/// Parses JSON; the complaint about a text that ends too early is worded as the API words it.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() {
            "unexpected end of JSON input".to_owned()
        } else {
            error.to_string()
        }
    })
}

/// Checks the types of `value`'s members and drops those that its kind does not have.
pub(crate) fn typed(resource: Resource, mut value: Value) -> Result<Decoded, Refusal> {
    check_kind((resource.kind(), resource.api_version()), &mut value)?;
    match resource {
        Resource::Namespace => round_trip::<Namespace>(resource, value),
        Resource::Pod => round_trip::<Pod>(resource, value),
        Resource::Event => round_trip::<Event>(resource, value),
        Resource::Secret => round_trip::<Secret>(resource, value),
        Resource::ConfigMap => round_trip::<ConfigMap>(resource, value),
        Resource::ServiceAccount => round_trip::<ServiceAccount>(resource, value),
        Resource::Node => round_trip::<Node>(resource, value),
        Resource::Lease => round_trip::<Lease>(resource, value),
        Resource::Role => round_trip::<Role>(resource, value),
        Resource::RoleBinding => round_trip::<RoleBinding>(resource, value),
        Resource::ClusterRole => round_trip::<ClusterRole>(resource, value),
        Resource::ClusterRoleBinding => round_trip::<ClusterRoleBinding>(resource, value),
    }
}

fn check_kind(wanted: (&str, &str), value: &mut Value) -> Result<(), Refusal> {
    let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if (!kind.is_empty() && kind != wanted.0) || (!version.is_empty() && version != wanted.1) {
        let kind = if kind.is_empty() {
            wanted.0.to_owned()
        } else {
            kind
        };
        let version = if version.is_empty() {
            wanted.1.to_owned()
        } else {
            version
        };
        return Err(Refusal::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {}: this path takes {} of {}",
            wanted.0, wanted.0, wanted.1
        )));
    }
    value["kind"] = wanted.0.into();
    value["apiVersion"] = wanted.1.into();
    Ok(())
}

fn round_trip<T: DeserializeOwned + Serialize>(
    resource: Resource,
    value: Value,
) -> Result<Decoded, Refusal> {
    let refuse = |why: &dyn fmt::Display| {
        Refusal::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: {why}",
            resource.kind(),
            resource.api_version(),
            resource.kind()
        ))
    };
    let known: T = T::deserialize(&value).map_err(|error| refuse(&error))?;
    let object = serde_json::to_value(&known).map_err(|error| refuse(&error))?;
    let mut complaints = Vec::new();
    unknown_members(&value, &object, "", &mut complaints);
    Ok(Decoded { object, complaints })
}

/// What of `given` did not survive in `kept`.
fn unknown_members(given: &Value, kept: &Value, path: &str, complaints: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (member, value) in given {
                let path = if path.is_empty() {
                    member.clone()
                } else {
                    format!("{path}.{member}")
                };
                match kept.get(member) {
                    Some(kept) => unknown_members(value, kept, &path, complaints),
                    None if value.is_null() => {}
                    None => complaints.push(format!("unknown field {path:?}")),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                unknown_members(given, kept, &format!("{path}[{index}]"), complaints);
            }
        }
        _ => {}
    }
}

/// The first characters of a body that could not be read.
fn beginning(bytes: &[u8]) -> String {
    const SHOWN: usize = 30;
    if bytes.is_empty() {
        return "<empty>".into();
    }
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.into_owned(),
    }
}

/// The paths of members that an object of `bytes` has more than once.
fn doubled_members(bytes: &[u8]) -> Vec<String> {
    let mut doubled = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let finder = Doubles {
        path: String::new(),
        found: &mut doubled,
    };
    // The text has been parsed before, so that nothing can fail here.
    let _ = de::DeserializeSeed::deserialize(finder, &mut json);
    doubled
}

struct Doubles<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> de::DeserializeSeed<'de> for Doubles<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Doubles<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items
            .next_element_seed(Doubles {
                path: format!("{}[{index}]", self.path),
                found: &mut *self.found,
            })?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(member) = members.next_key::<String>()? {
            let path = if self.path.is_empty() {
                member.clone()
            } else {
                format!("{}.{member}", self.path)
            };
            if !seen.insert(member) {
                self.found.push(path.clone());
            }
            members.next_value_seed(Doubles {
                path,
                found: &mut *self.found,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_and_doubled_members_are_told_and_dropped() {
        let decoded = body(
            Resource::Pod,
            br#"{"metadata":{"name":"e2","name":"e2"},"spec":{"foo":"bar","containers":[{"name":"base","x":1}]}}"#,
            BodyForm::Json,
        )
        .unwrap();
        assert_eq!(
            decoded.complaints,
            [
                "unknown field \"spec.foo\"",
                "unknown field \"spec.containers[0].x\"",
                "duplicate field \"metadata.name\"",
            ]
        );
        assert_eq!(
            decoded.object["spec"],
            json!({"containers": [{"name": "base"}]})
        );
    }

    #[test]
    fn a_wrong_type_or_kind_is_a_bad_request() {
        for object in [
            json!({"spec": {"containers": "x"}}),
            json!({"metadata": {"labels": {"a": 1}}}),
            json!({"kind": "Service"}),
            json!({"apiVersion": "v2"}),
        ] {
            assert_eq!(typed(Resource::Pod, object).unwrap_err().code, 400);
        }
    }
}
