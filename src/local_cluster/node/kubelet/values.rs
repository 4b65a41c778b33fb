//! Values that a pod takes from elsewhere: ConfigMaps, Secrets, its own fields.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::local_cluster::node::quantity;
use crate::local_cluster::objects::{Object, ObjectKey, Objects, Resource};

/// The content of a ConfigMap or Secret.
pub type Content = BTreeMap<String, Vec<u8>>;

/// Where a pod's values come from.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The store.
    pub objects: &'a Objects,
    /// The pod, whole.
    pub pod: &'a Value,
    /// The node's name.
    pub node: &'a str,
    /// The node's address.
    pub address: &'a str,
}

impl Values<'_> {
    fn namespace(&self) -> &str {
        self.pod["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
    }

    /// The content of a ConfigMap.
    ///
    /// # Errors
    /// A sentence when it is missing.
    pub fn config_map(&self, name: &str) -> Result<Content, String> {
        let object = self.find(Resource::ConfigMap, "configmap", name)?;
        let mut content = texts(&object["data"]);
        content.extend(encoded(&object["binaryData"]));
        Ok(content)
    }

    /// The content of a Secret.
    ///
    /// # Errors
    /// A sentence when it is missing.
    pub fn secret(&self, name: &str) -> Result<Content, String> {
        let object = self.find(Resource::Secret, "secret", name)?;
        let mut content = encoded(&object["data"]);
        content.extend(texts(&object["stringData"]));
        Ok(content)
    }

    fn find(&self, resource: Resource, word: &str, name: &str) -> Result<Object, String> {
        let key = ObjectKey::namespaced(resource, self.namespace(), name);
        let found = self.objects.get(&key);
        found.ok_or_else(|| format!("{word} \"{name}\" not found"))
    }

    /// One of the pod's own fields, as `fieldRef` names it.
    ///
    /// # Errors
    /// A sentence when there is no such field.
    pub fn field(&self, path: &str) -> Result<String, String> {
        let (metadata, spec) = (&self.pod["metadata"], &self.pod["spec"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Some((map, key)) = subscript(path) {
            return Ok(text(&metadata[map][key]));
        }
        Ok(match path {
            "metadata.name" => text(&metadata["name"]),
            "metadata.namespace" => text(&metadata["namespace"]),
            "metadata.uid" => text(&metadata["uid"]),
            "metadata.labels" => lines(&metadata["labels"]),
            "metadata.annotations" => lines(&metadata["annotations"]),
            "spec.nodeName" => self.node.to_owned(),
            "spec.serviceAccountName" => {
                let name = text(&spec["serviceAccountName"]);
                if name.is_empty() {
                    "default".to_owned()
                } else {
                    name
                }
            }
            "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => {
                self.address.to_owned()
            }
            _ => return Err(format!("unsupported fieldPath: {path}")),
        })
    }

    /// A limit or request of a container, as `resourceFieldRef` names it.
    ///
    /// # Errors
    /// A sentence when it does not parse.
    pub fn resource(
        &self,
        container: &Value,
        resource: &str,
        divisor: &str,
    ) -> Result<String, String> {
        let (kind, name) = resource.split_once('.').unwrap_or((resource, ""));
        let resources = &container["resources"];
        let written = resources[kind][name].as_str().map(str::to_owned);
        let capacity = || capacity(name, false);
        // Without a limit the container may have all that the node has.
        let quantity = match kind {
            "limits" => written.unwrap_or_else(capacity),
            _ => written.unwrap_or_else(|| "0".to_owned()),
        };
        let divisor = if divisor.is_empty() || divisor == "0" {
            "1"
        } else {
            divisor
        };
        quantity::divided(&quantity, divisor)
            .map(|number| number.to_string())
            .ok_or_else(|| format!("{resource}: cannot divide {quantity:?} by {divisor:?}"))
    }
}

/// What the node has of `cpu` or `memory`, as a quantity. A simulated one is boundless.
#[must_use]
pub fn capacity(name: &str, simulated: bool) -> String {
    match name {
        _ if simulated => "1000000Gi".to_owned(),
        "cpu" => std::thread::available_parallelism()
            .map_or(1, usize::from)
            .to_string(),
        "memory" => memory().unwrap_or_else(|| "1Gi".to_owned()),
        _ => "10000".to_owned(),
    }
}

fn memory() -> Option<String> {
    let table = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(format!("{}Ki", line.split_whitespace().nth(1)?))
}

/// `metadata.labels['key']` as `("labels", "key")`.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.strip_prefix("metadata.")?.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

fn texts(map: &Value) -> Content {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.as_bytes().to_vec())))
        .collect()
}

fn encoded(map: &Value) -> Content {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?)))
        .collect()
}

/// `key="value"`, one a line, in the order of the keys.
fn lines(map: &Value) -> String {
    let mut lines: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={:?}\n", value.as_str().unwrap_or_default()))
        .collect();
    lines.sort();
    lines.concat()
}
