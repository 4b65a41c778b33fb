//! What the API server would refuse about a pod.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::check::{Check, Found, Violation, between, one_of, tell, text_with, unique};
use super::container::{Surroundings, container, named, security};
use super::syntax;
use crate::pod::spec::attach::{XCOM_SIDECAR, XCOM_VOLUME};
use crate::pod::spec::manifest::PodManifest;
use crate::task::file::api_type::{core_type, read_object};
use crate::task::file::problem::{Problems, Stage, child};
use crate::task::file::yaml::Node;

/// The annotations of an object may not take more bytes than this, keys included.
const LONGEST_ANNOTATIONS: usize = 256 * 1024;

/// Everything that the API server would refuse about `pod`, as far as the pod alone tells.
///
/// What depends on the cluster (quotas, admission rules, missing namespaces) is not told.
#[must_use]
pub fn validate(pod: &PodManifest) -> Vec<Violation> {
    let (mut found, _) = types(pod.as_value());
    let root = Check::root(pod.as_value());
    if let Some(metadata) = root.member("metadata") {
        self::metadata(&metadata, &mut found);
    }
    match root.member("spec") {
        Some(spec) => self::spec(&spec, &mut found),
        None => tell(&mut found, "spec.containers".to_owned(), "is required here"),
    }
    found
}

/// What the API server would take and would most likely not do what was meant.
#[must_use]
pub fn doubts(pod: &PodManifest) -> Vec<Violation> {
    let (_, mut found) = types(pod.as_value());
    let name = pod.name();
    if (64..=253).contains(&name.len()) {
        tell(
            &mut found,
            "metadata.name".to_owned(),
            "has more than 63 characters, so the pod's host name will be cut",
        );
    }
    found
}

/// Values of a wrong type, and unknown keys.
fn types(pod: &Value) -> (Found, Found) {
    let mut problems = Problems::new(Stage::Build);
    read_object(&Node::from_value(pod), &core_type("Pod"), "", &mut problems);
    let mut refused = Found::new();
    let mut ignored = Found::new();
    for problem in problems.into_sorted() {
        let unknown = problem.unknown_key;
        let violation = Violation {
            path: problem.path,
            message: if unknown {
                format!("{} (the API server would drop it)", problem.message)
            } else {
                problem.message
            },
        };
        if unknown {
            ignored.push(violation);
        } else {
            refused.push(violation);
        }
    }
    (refused, ignored)
}

fn metadata(check: &Check<'_>, found: &mut Found) {
    let generated = check.some_text("generateName").is_some();
    match check.some_text("name") {
        None if generated => {}
        None => tell(
            found,
            check.at("name"),
            "is empty: give `name`, or a task_id with letters or digits",
        ),
        Some((name, path)) => {
            if let Some(fault) = syntax::dns_subdomain(name) {
                tell(found, path, fault);
            }
        }
    }
    text_with(check, "namespace", found, syntax::dns_label);
    labels(check, "labels", found);
    if let Some((annotations, path)) = check.map("annotations") {
        let mut size = 0;
        for (key, value) in annotations {
            size += key.len() + value.as_str().map_or(0, str::len);
            if let Some(fault) = syntax::qualified_name(&key.to_lowercase()) {
                tell(found, child(&path, key), fault);
            }
        }
        if size > LONGEST_ANNOTATIONS {
            tell(
                found,
                path,
                format!("may not take more than {LONGEST_ANNOTATIONS} bytes, take {size}"),
            );
        }
    }
    if check.some_text("resourceVersion").is_some() {
        tell(
            found,
            check.at("resourceVersion"),
            "must not be set on a pod that is to be created",
        );
    }
}

/// Labels, or a selector made of labels.
fn labels(check: &Check<'_>, name: &str, found: &mut Found) {
    let Some((labels, path)) = check.map(name) else {
        return;
    };
    for (key, value) in labels {
        let path = child(&path, key);
        if let Some(fault) = syntax::qualified_name(key) {
            tell(found, path.clone(), fault);
        }
        if let Some(fault) = value.as_str().and_then(syntax::label_value) {
            tell(found, path, fault);
        }
    }
}

fn spec(check: &Check<'_>, found: &mut Found) {
    let containers = check.elements("containers");
    let init_containers = check.elements("initContainers");
    if check
        .value
        .get("containers")
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        tell(
            found,
            check.at("containers"),
            "must have at least one container",
        );
    }
    let volumes = self::volumes(check, found);
    let around = Surroundings {
        volumes,
        host_network: check.value.get("hostNetwork") == Some(&Value::Bool(true)),
    };
    for one in init_containers.iter().chain(&containers) {
        container(one, &around, found);
    }
    unique(
        init_containers
            .iter()
            .chain(&containers)
            .filter_map(|one| one.some_text("name")),
        found,
        |name| match name {
            XCOM_SIDECAR => format!(
                "{name:?} is the sidecar that do_xcom_push adds: take it out of the template, or \
                 take do_xcom_push away"
            ),
            name => format!(
                "another container is called {name:?} too; containers of templates keep their \
                 place, so the base container has to come first"
            ),
        },
    );
    one_of(
        check,
        "restartPolicy",
        &["Always", "OnFailure", "Never"],
        found,
    );
    between(
        check,
        "activeDeadlineSeconds",
        1,
        i64::from(i32::MAX),
        found,
    );
    text_with(check, "hostname", found, syntax::dns_label);
    text_with(check, "subdomain", found, syntax::dns_label);
    for name in [
        "serviceAccountName",
        "priorityClassName",
        "runtimeClassName",
        "nodeName",
    ] {
        text_with(check, name, found, syntax::dns_subdomain);
    }
    labels(check, "nodeSelector", found);
    dns(check, found);
    tolerations(check, found);
    host_aliases(check, found);
    for secret in check.elements("imagePullSecrets") {
        match secret.some_text("name") {
            None => tell(found, secret.at("name"), "is missing"),
            Some((name, path)) => {
                if let Some(fault) = syntax::dns_subdomain(name) {
                    tell(found, path, fault);
                }
            }
        }
    }
    if let Some(context) = check.member("securityContext") {
        security(&context, found);
    }
}

fn volumes<'a>(check: &Check<'a>, found: &mut Found) -> BTreeSet<&'a str> {
    let volumes = check.elements("volumes");
    for volume in &volumes {
        text_with(volume, "name", found, syntax::dns_label);
        if let Some(reference) = volume.member("configMap") {
            named(&reference, found);
        }
        let sources: Vec<&str> = volume
            .value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| *key != "name" && !value.is_null())
            .map(|(key, _)| key.as_str())
            .collect();
        if sources.len() > 1 {
            tell(
                found,
                volume.path.clone(),
                format!("must be of one kind, and has {}", sources.join(" and ")),
            );
        }
    }
    unique(
        volumes.iter().filter_map(|volume| volume.some_text("name")),
        found,
        |name| match name {
            XCOM_VOLUME => format!(
                "another volume is called {name:?} too, which is also the name of the volume that \
                 do_xcom_push adds"
            ),
            name => format!("another volume is called {name:?} too"),
        },
    );
    volumes
        .iter()
        .filter_map(|volume| volume.value.get("name")?.as_str())
        .collect()
}

fn dns(check: &Check<'_>, found: &mut Found) {
    one_of(
        check,
        "dnsPolicy",
        &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
        found,
    );
    let servers = check
        .member("dnsConfig")
        .map(|config| config.elements("nameservers"))
        .unwrap_or_default();
    if check
        .text("dnsPolicy")
        .is_some_and(|(policy, _)| policy == "None")
        && servers.is_empty()
    {
        tell(
            found,
            child(&check.at("dnsConfig"), "nameservers"),
            "needs at least one name server, because dnsPolicy is None",
        );
    }
    for server in servers {
        if let Some(text) = server.value.as_str() {
            address(text, server.path, found);
        }
    }
}

fn address(text: &str, path: String, found: &mut Found) {
    if text.parse::<IpAddr>().is_err() {
        tell(found, path, format!("{text:?} is not an IP address"));
    }
}

fn tolerations(check: &Check<'_>, found: &mut Found) {
    for toleration in check.elements("tolerations") {
        let text = |name: &str| toleration.some_text(name).map(|(text, _)| text);
        one_of(
            &toleration,
            "operator",
            &["Equal", "Exists", "Lt", "Gt"],
            found,
        );
        one_of(
            &toleration,
            "effect",
            &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            found,
        );
        text_with(&toleration, "key", found, syntax::qualified_name);
        if text("key").is_none() && text("operator") != Some("Exists") {
            tell(
                found,
                toleration.at("operator"),
                "must be Exists, because there is no key",
            );
        }
        if text("operator") == Some("Exists") && text("value").is_some() {
            tell(
                found,
                toleration.at("value"),
                "must not be given, because the operator is Exists",
            );
        }
        if toleration.member("tolerationSeconds").is_some() && text("effect") != Some("NoExecute") {
            tell(
                found,
                toleration.at("effect"),
                "must be NoExecute, because tolerationSeconds is given",
            );
        }
    }
}

fn host_aliases(check: &Check<'_>, found: &mut Found) {
    for alias in check.elements("hostAliases") {
        if let Some((ip, path)) = alias.text("ip") {
            address(ip, path, found);
        }
        for name in alias.elements("hostnames") {
            if let Some(fault) = name.value.as_str().and_then(syntax::dns_subdomain) {
                tell(found, name.path, fault);
            }
        }
    }
}
