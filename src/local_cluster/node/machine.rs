//! What the node tells of the machine it runs on.

use std::fs;

use serde_json::{Value, json};

use super::scheduler::node_labels;

/// The `nodeInfo` of the node's status. Clients with typed objects expect every member of it, so
/// that what the machine does not tell is empty.
pub fn node_info() -> Value {
    json!({
        "machineID": first_line("/etc/machine-id"),
        "systemUUID": system_uuid(),
        "bootID": first_line("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": first_line("/proc/sys/kernel/osrelease"),
        "osImage": os_image(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
        "containerRuntimeVersion": concat!("adjourn://", env!("CARGO_PKG_VERSION")),
        "kubeletVersion": concat!("v", env!("CARGO_PKG_VERSION")),
        // No proxy runs, and real clusters no longer tell its version either.
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": node_labels("")["kubernetes.io/arch"],
    })
}

/// Only root can read the firmware's own; the machine's id stands in for it.
fn system_uuid() -> String {
    let told = first_line("/sys/class/dmi/id/product_uuid");
    if told.is_empty() {
        first_line("/etc/machine-id")
    } else {
        told
    }
}

/// The name of the system for a person, from the text of `os-release`.
fn os_image(text: &str) -> String {
    text.lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or("Linux")
        .trim_matches(['"', '\''])
        .to_owned()
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_that_typed_clients_expect_is_there() {
        let info = node_info();
        let typed: k8s_openapi::api::core::v1::NodeSystemInfo =
            serde_json::from_value(info.clone()).unwrap();
        assert!(!typed.kernel_version.is_empty());
        assert!(!typed.boot_id.is_empty());
        assert!(!typed.os_image.is_empty());
        assert!(info.as_object().unwrap().values().all(Value::is_string));
    }

    #[test]
    fn a_system_is_told_by_its_name_for_people() {
        assert_eq!(os_image("ID=x\nPRETTY_NAME=\"X 1\"\n"), "X 1");
        assert_eq!(os_image(""), "Linux");
    }
}
