//! What a pod must hold to be accepted.

use std::collections::HashSet;

use serde_json::Value;

use super::super::names::label_fault;
use super::super::refusal::{Cause, Refusal};
use super::quantity;

/// Amounts that are no amounts, which the API takes for a wrong type rather than a wrong value.
pub(crate) fn check_quantities(spec: &Value) -> Result<(), Refusal> {
    let amounts = ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| spec[list].as_array())
        .flatten()
        .flat_map(|container| ["requests", "limits"].map(|list| &container["resources"][list]))
        .filter_map(Value::as_object)
        .flat_map(|amounts| amounts.values());
    for amount in amounts {
        if !amount.as_str().is_some_and(quantity::is_quantity) {
            return Err(Refusal::bad_request(format!(
                "Pod in version \"v1\" cannot be handled as a Pod: {amount} is not a quantity: \
                 a number with a suffix such as m, k, Mi or Gi"
            )));
        }
    }
    Ok(())
}

/// Everything that is wrong with a pod's spec, in the order of the spec.
pub(crate) fn spec_faults(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let volumes = volume_faults(spec, &mut causes);
    let mut names = HashSet::new();
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        causes.push(Cause::required("spec.containers", ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let path = format!("spec.containers[{index}]");
        container_faults(container, &path, &volumes, &mut names, &mut causes);
        if let Some(policy) = container["restartPolicy"].as_str()
            && !matches!(policy, "Always" | "OnFailure" | "Never")
        {
            causes.push(Cause::not_supported(
                format!("{path}.restartPolicy"),
                policy,
                &["Always", "OnFailure", "Never"],
            ));
        }
    }
    for (index, container) in spec["initContainers"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let path = format!("spec.initContainers[{index}]");
        container_faults(container, &path, &volumes, &mut names, &mut causes);
        if let Some(policy) = container["restartPolicy"].as_str()
            && !matches!(policy, "Always" | "OnFailure" | "Never")
        {
            causes.push(Cause::not_supported(
                format!("{path}.restartPolicy"),
                policy,
                &["Always", "OnFailure", "Never"],
            ));
        }
    }
    choice(
        &spec["restartPolicy"],
        "spec.restartPolicy",
        &["Always", "OnFailure", "Never"],
        &mut causes,
    );
    choice(
        &spec["dnsPolicy"],
        "spec.dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        &mut causes,
    );
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        causes.push(Cause::invalid(
            "spec.activeDeadlineSeconds",
            &spec["activeDeadlineSeconds"],
            "must be between 1 and 2147483647, inclusive",
        ));
    }
    causes
}

fn volume_faults(spec: &Value, causes: &mut Vec<Cause>) -> HashSet<String> {
    let mut names = HashSet::new();
    for (index, volume) in spec["volumes"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.volumes[{index}].name");
        let name = volume["name"].as_str().unwrap_or_default();
        name_faults(name, &path, &mut names, causes);
        let sources = volume.as_object().map_or(0, |members| members.len() - 1);
        if sources > 1 {
            causes.push(Cause::forbidden(
                format!("spec.volumes[{index}]"),
                "may not specify more than 1 volume type",
            ));
        }
    }
    names
}

fn name_faults(name: &str, path: &str, taken: &mut HashSet<String>, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required(path, ""));
    } else if let Some(fault) = label_fault(name) {
        causes.push(Cause::invalid(path, &name.into(), fault));
    } else if !taken.insert(name.to_owned()) {
        causes.push(Cause::duplicate(path, name));
    }
}

fn container_faults(
    container: &Value,
    path: &str,
    volumes: &HashSet<String>,
    names: &mut HashSet<String>,
    causes: &mut Vec<Cause>,
) {
    let text = |member: &str| container[member].as_str().unwrap_or_default();
    name_faults(text("name"), &format!("{path}.name"), names, causes);
    let image = text("image");
    if image.is_empty() {
        causes.push(Cause::required(format!("{path}.image"), ""));
    } else if image.trim() != image {
        causes.push(Cause::invalid(
            format!("{path}.image"),
            &image.into(),
            "must not have leading or trailing whitespace",
        ));
    }
    for (index, env) in container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        env_faults(env, &format!("{path}.env[{index}]"), causes);
    }
    let mut mount_paths = HashSet::new();
    for (index, mount) in container["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let path = format!("{path}.volumeMounts[{index}]");
        let name = mount["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(format!("{path}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause::not_found(format!("{path}.name"), name));
        }
        let mount_path = mount["mountPath"].as_str().unwrap_or_default();
        if mount_path.is_empty() {
            causes.push(Cause::required(format!("{path}.mountPath"), ""));
        } else if !mount_paths.insert(mount_path) {
            causes.push(Cause::invalid(
                format!("{path}.mountPath"),
                &mount["mountPath"],
                "must be unique",
            ));
        }
    }
    choice(
        &container["imagePullPolicy"],
        &format!("{path}.imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
        causes,
    );
    choice(
        &container["terminationMessagePolicy"],
        &format!("{path}.terminationMessagePolicy"),
        &["FallbackToLogsOnError", "File"],
        causes,
    );
    resource_faults(&container["resources"], path, causes);
}

fn env_faults(env: &Value, path: &str, causes: &mut Vec<Cause>) {
    let name = env["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required(format!("{path}.name"), ""));
    } else if name.contains('=') {
        causes.push(Cause::invalid(
            format!("{path}.name"),
            &env["name"],
            "must not contain '='",
        ));
    }
    let value = env["value"].as_str().unwrap_or_default();
    if let Some(from) = env["valueFrom"].as_object() {
        if !value.is_empty() {
            causes.push(Cause::invalid(
                format!("{path}.valueFrom"),
                &"".into(),
                "may not be specified when `value` is not empty",
            ));
        }
        if from.is_empty() {
            causes.push(Cause::invalid(
                format!("{path}.valueFrom"),
                &"".into(),
                "must name a source",
            ));
        }
    }
}

fn resource_faults(resources: &Value, path: &str, causes: &mut Vec<Cause>) {
    let requests = resources["requests"].as_object();
    for (name, request) in requests.into_iter().flatten() {
        let limit = &resources["limits"][name];
        let amount = |value: &Value| value.as_str().and_then(quantity::parse);
        if let (Some(asked), Some(most)) = (amount(request), amount(limit))
            && asked > most
        {
            causes.push(Cause::invalid(
                format!("{path}.resources.requests"),
                request,
                &format!(
                    "must be less than or equal to {name} limit of {}",
                    limit.as_str().unwrap_or_default()
                ),
            ));
        }
    }
}

fn choice(value: &Value, path: &str, choices: &[&str], causes: &mut Vec<Cause>) {
    if let Some(text) = value.as_str()
        && !choices.contains(&text)
    {
        causes.push(Cause::not_supported(path, text, choices));
    }
}
