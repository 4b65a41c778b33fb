//! What the API server would refuse about a container.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::{Check, Found, between, one_of, tell, text_with, unique};
use super::syntax;

const I32_MAX: i64 = i32::MAX as i64;

/// What the pod says that its containers depend on.
pub(super) struct Surroundings<'a> {
    pub(super) volumes: BTreeSet<&'a str>,
    pub(super) host_network: bool,
}

pub(super) fn container(check: &Check<'_>, around: &Surroundings<'_>, found: &mut Found) {
    text_with(check, "name", found, syntax::dns_label);
    if check.text("name").is_some_and(|(name, _)| name.is_empty()) {
        tell(found, check.at("name"), "must not be empty");
    }
    image(check, found);
    one_of(
        check,
        "imagePullPolicy",
        &["Always", "IfNotPresent", "Never"],
        found,
    );
    one_of(
        check,
        "terminationMessagePolicy",
        &["File", "FallbackToLogsOnError"],
        found,
    );
    environment(check, found);
    ports(check, around, found);
    mounts(check, around, found);
    if let Some(resources) = check.member("resources") {
        self::resources(&resources, found);
    }
    if let Some(context) = check.member("securityContext") {
        security(&context, found);
    }
}

fn image(check: &Check<'_>, found: &mut Found) {
    match check.text("image") {
        Some((image, path)) if image.trim() != image => {
            tell(found, path, "must not begin or end with white space");
        }
        Some((image, _)) if !image.is_empty() => {}
        Some(_) | None => tell(
            found,
            check.at("image"),
            "is missing: give `image`, or a template whose container has one",
        ),
    }
}

fn environment(check: &Check<'_>, found: &mut Found) {
    for variable in check.elements("env") {
        text_with(&variable, "name", found, syntax::variable_name);
        if variable
            .text("name")
            .is_some_and(|(name, _)| name.is_empty())
        {
            tell(found, variable.at("name"), "must not be empty");
        }
        let Some(source) = variable.member("valueFrom") else {
            continue;
        };
        if variable.some_text("value").is_some() {
            tell(
                found,
                source.path.clone(),
                "cannot stand beside a value: give one of the two",
            );
        }
        let sources = [
            "fieldRef",
            "resourceFieldRef",
            "configMapKeyRef",
            "secretKeyRef",
            "fileKeyRef",
        ];
        exactly_one(&source, &sources, found);
        for reference in ["configMapKeyRef", "secretKeyRef"] {
            if let Some(reference) = source.member(reference) {
                named(&reference, found);
            }
        }
    }
    for source in check.elements("envFrom") {
        exactly_one(&source, &["configMapRef", "secretRef"], found);
        for reference in ["configMapRef", "secretRef"] {
            if let Some(reference) = source.member(reference) {
                named(&reference, found);
            }
        }
        text_with(&source, "prefix", found, syntax::variable_name);
    }
}

/// A reference to an object, by a name that must be there.
pub(super) fn named(reference: &Check<'_>, found: &mut Found) {
    match reference.some_text("name") {
        None => tell(found, reference.at("name"), "is missing"),
        Some((name, path)) => {
            if let Some(fault) = syntax::dns_subdomain(name) {
                tell(found, path, fault);
            }
        }
    }
}

fn exactly_one(check: &Check<'_>, names: &[&str], found: &mut Found) {
    let given = names
        .iter()
        .filter(|name| check.member(name).is_some())
        .count();
    if given != 1 {
        tell(
            found,
            check.path.clone(),
            format!("must have exactly one of {}", names.join(", ")),
        );
    }
}

fn ports(check: &Check<'_>, around: &Surroundings<'_>, found: &mut Found) {
    let ports = check.elements("ports");
    for port in &ports {
        between(port, "containerPort", 1, 65_535, found);
        between(port, "hostPort", 0, 65_535, found);
        one_of(port, "protocol", &["TCP", "UDP", "SCTP"], found);
        text_with(port, "name", found, syntax::port_name);
        let number = |name: &str| port.value.get(name).and_then(Value::as_i64);
        if around.host_network
            && number("hostPort")
                .is_some_and(|host| host != 0 && Some(host) != number("containerPort"))
        {
            tell(
                found,
                port.at("hostPort"),
                "must be the containerPort, because the pod uses its node's network",
            );
        }
    }
    unique(
        ports.iter().filter_map(|port| port.some_text("name")),
        found,
        |name| format!("another port of the container is called {name:?} too"),
    );
}

fn mounts(check: &Check<'_>, around: &Surroundings<'_>, found: &mut Found) {
    let mounts = check.elements("volumeMounts");
    for mount in &mounts {
        if let Some((name, path)) = mount.text("name")
            && !around.volumes.contains(name)
        {
            tell(
                found,
                path,
                format!("the pod has no volume {name:?}: add it to `volumes`"),
            );
        }
        if mount
            .text("mountPath")
            .is_some_and(|(path, _)| path.is_empty())
        {
            tell(found, mount.at("mountPath"), "must not be empty");
        }
        for name in ["subPath", "subPathExpr"] {
            if let Some((path, at)) = mount.some_text(name)
                && (path.starts_with('/') || path.split('/').any(|part| part == ".."))
            {
                tell(found, at, "must be a path inside the volume, without ..");
            }
        }
        one_of(
            mount,
            "mountPropagation",
            &["None", "HostToContainer", "Bidirectional"],
            found,
        );
    }
    unique(
        mounts
            .iter()
            .filter_map(|mount| mount.some_text("mountPath")),
        found,
        |path| format!("another volume is mounted at {path:?} too"),
    );
}

fn resources(check: &Check<'_>, found: &mut Found) {
    for kind in ["limits", "requests"] {
        let Some((map, path)) = check.map(kind) else {
            continue;
        };
        for (name, value) in map {
            let path = crate::task::file::problem::child(&path, name);
            if let Some(fault) = syntax::qualified_name(name) {
                tell(found, path.clone(), fault);
            }
            let Some(text) = value.as_str() else {
                continue;
            };
            match syntax::quantity(text) {
                None => tell(
                    found,
                    path,
                    format!(
                        "{text:?} is not a quantity: write a number with a unit, such as 500m, 2 or 1Gi"
                    ),
                ),
                Some(value) if value < 0 => tell(found, path, "must not be negative"),
                Some(value) if is_extended(name) && value % 1_000_000_000 != 0 => {
                    tell(found, path, "must be a whole number");
                }
                Some(_) => {}
            }
        }
    }
    let quantity = |kind: &str, name: &str| {
        let text = check.value.get(kind)?.get(name)?.as_str()?;
        syntax::quantity(text).map(|value| (value, text))
    };
    let Some((requests, path)) = check.map("requests") else {
        return;
    };
    for name in requests.keys() {
        let path = crate::task::file::problem::child(&path, name);
        match (quantity("requests", name), quantity("limits", name)) {
            (Some((request, _)), Some((limit, text))) if request > limit => {
                tell(
                    found,
                    path,
                    format!("must not be more than the limit of {text}"),
                );
            }
            (Some((request, _)), Some((limit, text))) if is_extended(name) && request != limit => {
                tell(
                    found,
                    path,
                    format!("must be the limit of {text}, because {name} cannot be overcommitted"),
                );
            }
            (Some(_), None) if is_extended(name) => {
                tell(found, path, "needs a limit of the same amount");
            }
            _ => {}
        }
    }
}

/// Devices and the like: whole numbers, never shared.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// What the security contexts of pods and containers have in common.
pub(super) fn security(check: &Check<'_>, found: &mut Found) {
    for name in ["runAsUser", "runAsGroup", "fsGroup"] {
        between(check, name, 0, I32_MAX, found);
    }
    let flag = |name: &str| check.value.get(name).and_then(Value::as_bool);
    if flag("privileged") == Some(true) && flag("allowPrivilegeEscalation") == Some(false) {
        tell(
            found,
            check.at("allowPrivilegeEscalation"),
            "must not be false for a privileged container",
        );
    }
}
