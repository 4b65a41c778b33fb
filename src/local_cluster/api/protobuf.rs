//! Objects in protobuf, as `kubectl create` sends the kinds that it has a command for.
//!
//! Only what those commands write is known here: a member that is not in the table is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What an object in protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";

/// A message whose members are known.
#[derive(Debug, Clone, Copy)]
enum Message {
    Namespace,
    ConfigMap,
    Secret,
    ServiceAccount,
    Metadata,
    NamespaceSpec,
    NameReference,
    Role,
    Binding,
    PolicyRule,
    Subject,
    RoleReference,
    AccessReview,
    AccessSpec,
    Place,
    Path,
    RulesReview,
    RulesSpec,
    Question,
    TokenRequest,
    TokenSpec,
    BoundObject,
}

/// How a member is written.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Whole,
    TextMap,
    BytesMap,
    Texts,
    One(Message),
    Many(Message),
}

impl Message {
    fn member(self, number: u64) -> Option<(&'static str, Kind)> {
        let member = match (self, number) {
            (
                Self::Namespace
                | Self::ConfigMap
                | Self::Secret
                | Self::ServiceAccount
                | Self::Role
                | Self::Binding
                | Self::AccessReview
                | Self::RulesReview
                | Self::Question
                | Self::TokenRequest,
                1,
            ) => ("metadata", Kind::One(Self::Metadata)),
            (Self::Role, 2) => ("rules", Kind::Many(Self::PolicyRule)),
            (Self::PolicyRule, 1) => ("verbs", Kind::Texts),
            (Self::PolicyRule, 2) => ("apiGroups", Kind::Texts),
            (Self::PolicyRule, 3) => ("resources", Kind::Texts),
            (Self::PolicyRule, 4) => ("resourceNames", Kind::Texts),
            (Self::PolicyRule, 5) => ("nonResourceURLs", Kind::Texts),
            (Self::Binding, 2) => ("subjects", Kind::Many(Self::Subject)),
            (Self::Binding, 3) => ("roleRef", Kind::One(Self::RoleReference)),
            (Self::Subject | Self::BoundObject, 1) | (Self::RoleReference, 2) => {
                ("kind", Kind::Text)
            }
            (Self::Subject, 2) | (Self::RoleReference, 1) => ("apiGroup", Kind::Text),
            (Self::Subject | Self::RoleReference | Self::BoundObject, 3) | (Self::Place, 7) => {
                ("name", Kind::Text)
            }
            (Self::Subject, 4) | (Self::Place | Self::RulesSpec, 1) => ("namespace", Kind::Text),
            (Self::AccessReview, 2) => ("spec", Kind::One(Self::AccessSpec)),
            (Self::RulesReview, 2) => ("spec", Kind::One(Self::RulesSpec)),
            (Self::TokenRequest, 2) => ("spec", Kind::One(Self::TokenSpec)),
            (Self::AccessSpec, 1) => ("resourceAttributes", Kind::One(Self::Place)),
            (Self::AccessSpec, 2) => ("nonResourceAttributes", Kind::One(Self::Path)),
            (Self::Place | Self::Path, 2) => ("verb", Kind::Text),
            (Self::Place, 3) => ("group", Kind::Text),
            (Self::Place, 4) => ("version", Kind::Text),
            (Self::Place, 5) => ("resource", Kind::Text),
            (Self::Place, 6) => ("subresource", Kind::Text),
            (Self::Path, 1) => ("path", Kind::Text),
            (Self::TokenSpec, 1) => ("audiences", Kind::Texts),
            (Self::TokenSpec, 3) => ("boundObjectRef", Kind::One(Self::BoundObject)),
            (Self::TokenSpec, 4) => ("expirationSeconds", Kind::Whole),
            (Self::BoundObject, 2) => ("apiVersion", Kind::Text),
            (Self::BoundObject, 4) => ("uid", Kind::Text),
            (Self::Namespace, 2) => ("spec", Kind::One(Self::NamespaceSpec)),
            (Self::NamespaceSpec, 1) => ("finalizers", Kind::Texts),
            (Self::ConfigMap, 2) => ("data", Kind::TextMap),
            (Self::ConfigMap, 3) => ("binaryData", Kind::BytesMap),
            (Self::ConfigMap, 4) | (Self::Secret, 5) => ("immutable", Kind::Flag),
            (Self::Secret, 2) => ("data", Kind::BytesMap),
            (Self::Secret, 3) => ("type", Kind::Text),
            (Self::Secret, 4) => ("stringData", Kind::TextMap),
            (Self::ServiceAccount, 3) => ("imagePullSecrets", Kind::Many(Self::NameReference)),
            (Self::ServiceAccount, 4) => ("automountServiceAccountToken", Kind::Flag),
            (Self::NameReference, 1) | (Self::Metadata, 1) => ("name", Kind::Text),
            (Self::Metadata, 2) => ("generateName", Kind::Text),
            (Self::Metadata, 3) => ("namespace", Kind::Text),
            (Self::Metadata, 5) => ("uid", Kind::Text),
            (Self::Metadata, 6) => ("resourceVersion", Kind::Text),
            (Self::Metadata, 11) => ("labels", Kind::TextMap),
            (Self::Metadata, 12) => ("annotations", Kind::TextMap),
            (Self::Metadata, 14) => ("finalizers", Kind::Texts),
            _ => return None,
        };
        Some(member)
    }
}

/// Reads an object.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, String> {
    let envelope = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not begin as a Kubernetes object in protobuf does")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in fields(envelope)? {
        match field {
            (1, Wire::Bytes(meta)) => {
                for field in fields(meta)? {
                    match field {
                        (1, Wire::Bytes(text)) => api_version = words(text),
                        (2, Wire::Bytes(text)) => kind = words(text),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    let message = match kind.as_str() {
        "Namespace" => Message::Namespace,
        "ConfigMap" => Message::ConfigMap,
        "Secret" => Message::Secret,
        "ServiceAccount" => Message::ServiceAccount,
        "Role" | "ClusterRole" => Message::Role,
        "RoleBinding" | "ClusterRoleBinding" => Message::Binding,
        "SelfSubjectAccessReview" => Message::AccessReview,
        "SelfSubjectRulesReview" => Message::RulesReview,
        "SelfSubjectReview" => Message::Question,
        "TokenRequest" => Message::TokenRequest,
        other => return Err(format!("{other:?} can be sent as JSON or YAML only")),
    };
    let mut object = read(message, raw)?;
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    Ok(object)
}

fn read(message: Message, bytes: &[u8]) -> Result<Value, String> {
    let mut object = Map::new();
    for (number, wire) in fields(bytes)? {
        let Some((name, kind)) = message.member(number) else {
            continue;
        };
        match (kind, wire) {
            // An empty text is the same as none.
            (Kind::Text, Wire::Bytes(text)) if !text.is_empty() => {
                object.insert(name.into(), words(text).into());
            }
            (Kind::Flag, Wire::Number(flag)) => {
                object.insert(name.into(), (flag != 0).into());
            }
            (Kind::Whole, Wire::Number(number)) => {
                // Negative numbers are written as what they are modulo 2^64.
                object.insert(name.into(), number.cast_signed().into());
            }
            (Kind::TextMap, Wire::Bytes(entry)) => {
                let (key, value) = entry_of(entry)?;
                insert(&mut object, name, key, words(value).into());
            }
            (Kind::BytesMap, Wire::Bytes(entry)) => {
                let (key, value) = entry_of(entry)?;
                insert(&mut object, name, key, STANDARD.encode(value).into());
            }
            (Kind::Texts, Wire::Bytes(text)) => push(&mut object, name, words(text).into()),
            (Kind::One(inner), Wire::Bytes(bytes)) => {
                object.insert(name.into(), read(inner, bytes)?);
            }
            (Kind::Many(inner), Wire::Bytes(bytes)) => {
                push(&mut object, name, read(inner, bytes)?);
            }
            (
                Kind::Text
                | Kind::Flag
                | Kind::Whole
                | Kind::TextMap
                | Kind::BytesMap
                | Kind::Texts
                | Kind::One(_)
                | Kind::Many(_),
                Wire::Bytes(_) | Wire::Number(_) | Wire::Skipped,
            ) => {}
        }
    }
    Ok(Value::Object(object))
}

fn insert(object: &mut Map<String, Value>, name: &str, key: String, value: Value) {
    let map = object.entry(name).or_insert_with(|| json!({}));
    map[key] = value;
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) {
    let list = object.entry(name).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(value);
    }
}

fn entry_of(entry: &[u8]) -> Result<(String, &[u8]), String> {
    let (mut key, mut value) = (String::new(), &[][..]);
    for field in fields(entry)? {
        match field {
            (1, Wire::Bytes(text)) => key = words(text),
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((key, value))
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Skipped,
}

/// The fields of a message, in order.
fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, String> {
    const CUT: &str = "the protobuf message is cut short";
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes).ok_or(CUT)?;
        let wire = match tag & 7 {
            0 => Wire::Number(number(&mut bytes).ok_or(CUT)?),
            1 => {
                bytes = bytes.get(8..).ok_or(CUT)?;
                Wire::Skipped
            }
            2 => {
                let length = number(&mut bytes)
                    .and_then(|length| usize::try_from(length).ok())
                    .ok_or(CUT)?;
                let (value, rest) = bytes.split_at_checked(length).ok_or(CUT)?;
                bytes = rest;
                Wire::Bytes(value)
            }
            5 => {
                bytes = bytes.get(4..).ok_or(CUT)?;
                Wire::Skipped
            }
            other => return Err(format!("the protobuf wire type {other} is not known")),
        };
        all.push((tag >> 3, wire));
    }
    Ok(all)
}

/// A number of up to ten bytes, seven bits in each.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_field(number: u8, contents: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2, u8::try_from(contents.len()).unwrap()];
        field.extend_from_slice(contents);
        field
    }

    #[test]
    fn a_secret_is_read_with_its_data_in_base64() {
        let meta = [bytes_field(1, b"v1"), bytes_field(2, b"Secret")].concat();
        let entry = [bytes_field(1, b"b"), bytes_field(2, b"2")].concat();
        let secret = [
            bytes_field(1, &bytes_field(1, b"s")),
            bytes_field(2, &entry),
            bytes_field(3, b"Opaque"),
        ]
        .concat();
        let mut whole = MAGIC.to_vec();
        whole.extend(bytes_field(1, &meta));
        whole.extend(bytes_field(2, &secret));
        assert_eq!(
            decode(&whole).unwrap(),
            json!({
                "metadata": {"name": "s"},
                "data": {"b": "Mg=="},
                "type": "Opaque",
                "apiVersion": "v1",
                "kind": "Secret",
            })
        );
        assert!(decode(&whole[..whole.len() - 1]).is_err());
        assert!(decode(b"{}").is_err());
    }
}
