//! The columns in which objects are shown on a terminal.

mod age;
mod pod;

use serde_json::{Value, json};

pub(crate) use age::age;

use crate::local_cluster::objects::Resource;

const NONE: &str = "<none>";

/// The column definitions of a kind.
pub(crate) fn columns(resource: Resource) -> Value {
    let column = |name: &str, kind: &str, wide: bool| {
        json!({
            "name": name,
            "type": kind,
            "format": if name == "Name" { "name" } else { "" },
            "description": "",
            "priority": i32::from(wide),
        })
    };
    let own: &[(&str, &str, bool)] = match resource {
        Resource::Namespace => &[
            ("Name", "string", false),
            ("Status", "string", false),
            ("Age", "string", false),
        ],
        Resource::Pod => &[
            ("Name", "string", false),
            ("Ready", "string", false),
            ("Status", "string", false),
            ("Restarts", "string", false),
            ("Age", "string", false),
            ("IP", "string", true),
            ("Node", "string", true),
            ("Nominated Node", "string", true),
            ("Readiness Gates", "string", true),
        ],
        Resource::Event => &[
            ("Last Seen", "string", false),
            ("Type", "string", false),
            ("Reason", "string", false),
            ("Object", "string", false),
            ("Subobject", "string", true),
            ("Source", "string", true),
            ("Message", "string", false),
            ("First Seen", "string", true),
            ("Count", "string", true),
            ("Name", "string", true),
        ],
        Resource::Secret => &[
            ("Name", "string", false),
            ("Type", "string", false),
            ("Data", "string", false),
            ("Age", "string", false),
        ],
        Resource::ConfigMap => &[
            ("Name", "string", false),
            ("Data", "string", false),
            ("Age", "string", false),
        ],
        Resource::ServiceAccount => &[
            ("Name", "string", false),
            ("Secrets", "string", false),
            ("Age", "string", false),
        ],
        Resource::Node => &[
            ("Name", "string", false),
            ("Status", "string", false),
            ("Roles", "string", false),
            ("Age", "string", false),
            ("Version", "string", false),
            ("Internal-IP", "string", true),
            ("OS-Image", "string", true),
        ],
        Resource::Lease => &[
            ("Name", "string", false),
            ("Holder", "string", false),
            ("Age", "string", false),
        ],
        Resource::Role | Resource::ClusterRole => {
            &[("Name", "string", false), ("Created At", "date", false)]
        }
        Resource::RoleBinding | Resource::ClusterRoleBinding => &[
            ("Name", "string", false),
            ("Role", "string", false),
            ("Age", "string", false),
            ("Users", "string", true),
            ("Groups", "string", true),
            ("ServiceAccounts", "string", true),
        ],
    };
    own.iter()
        .map(|(name, kind, wide)| column(name, kind, *wide))
        .collect()
}

/// The cells of one object.
pub(crate) fn cells(resource: Resource, object: &Value) -> Vec<Value> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let size = |members: &[&str]| -> usize {
        members
            .iter()
            .map(|member| match &object[member] {
                Value::Object(map) => map.len(),
                Value::Array(list) => list.len(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
            })
            .sum()
    };
    let name = || json!(text("/metadata/name").unwrap_or_default());
    let created = || json!(age(text("/metadata/creationTimestamp")));
    match resource {
        Resource::Namespace => vec![
            name(),
            json!(text("/status/phase").unwrap_or_default()),
            created(),
        ],
        Resource::Pod => pod::cells(object),
        Resource::Event => event_cells(object),
        Resource::Secret => vec![
            name(),
            json!(text("/type").unwrap_or_default()),
            json!(size(&["data"])),
            created(),
        ],
        Resource::ConfigMap => vec![name(), json!(size(&["data", "binaryData"])), created()],
        Resource::ServiceAccount => vec![name(), json!(size(&["secrets"])), created()],
        Resource::Node => vec![
            name(),
            json!(node_status(object)),
            json!(NONE),
            created(),
            json!(text("/status/nodeInfo/kubeletVersion").unwrap_or_default()),
            json!(node_address(object)),
            json!(text("/status/nodeInfo/osImage").unwrap_or("<unknown>")),
        ],
        Resource::Lease => vec![
            name(),
            json!(text("/spec/holderIdentity").unwrap_or_default()),
            created(),
        ],
        Resource::Role | Resource::ClusterRole => vec![
            name(),
            json!(text("/metadata/creationTimestamp").unwrap_or_default()),
        ],
        Resource::RoleBinding | Resource::ClusterRoleBinding => vec![
            name(),
            json!(format!(
                "{}/{}",
                text("/roleRef/kind").unwrap_or_default(),
                text("/roleRef/name").unwrap_or_default()
            )),
            created(),
            json!(subjects(object, "User")),
            json!(subjects(object, "Group")),
            json!(subjects(object, "ServiceAccount")),
        ],
    }
}

/// What a finished object's row says about it.
pub(crate) fn condition(resource: Resource, object: &Value) -> Option<Value> {
    if resource != Resource::Pod {
        return None;
    }
    let (reason, message) = match object["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

fn event_cells(event: &Value) -> Vec<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |member: &str| {
        event[member]
            .as_str()
            .or_else(|| event["eventTime"].as_str())
    };
    let involved = &event["involvedObject"];
    vec![
        json!(age(time("lastTimestamp"))),
        event["type"].clone(),
        event["reason"].clone(),
        json!(format!(
            "{}/{}",
            text(&involved["kind"]).to_lowercase(),
            text(&involved["name"])
        )),
        json!(text(&involved["fieldPath"])),
        json!(match event["source"]["component"].as_str() {
            Some(component) => component.to_owned(),
            None => text(&event["reportingComponent"]),
        }),
        json!(text(&event["message"]).trim()),
        json!(age(time("firstTimestamp"))),
        json!(event["count"].as_i64().unwrap_or(1)),
        event["metadata"]["name"].clone(),
    ]
}

/// The subjects of one kind that a binding names.
fn subjects(binding: &Value, kind: &str) -> String {
    let named: Vec<String> = binding["subjects"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|subject| subject["kind"] == kind)
        .map(|subject| {
            let name = subject["name"].as_str().unwrap_or_default();
            match subject["namespace"].as_str() {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.to_owned(),
            }
        })
        .collect();
    named.join(", ")
}

fn node_status(node: &Value) -> String {
    let ready = node["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let mut status = match ready.map(|condition| condition["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_address(node: &Value) -> String {
    node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|address| address["type"] == "InternalIP")
        .and_then(|address| address["address"].as_str())
        .unwrap_or(NONE)
        .to_owned()
}
