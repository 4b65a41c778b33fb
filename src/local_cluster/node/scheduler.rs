//! The scheduler: one node, so the question is only whether it will do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::kubelet::shared::Shared;
use super::kubelet::status::seconds;
use super::kubelet::values::capacity;
use super::kubelet::worker::key_of;
use super::quantity::millis;
use crate::local_cluster::objects::{EventSource, EventType, Object, ObjectKey, Preconditions};

/// What a pod's requests are compared with.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Whether `pod` waits for a node.
pub fn is_unscheduled(pod: &Value) -> bool {
    let bound = pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    let leaving = !pod["metadata"]["deletionTimestamp"].is_null();
    let gated = pod["spec"]["schedulingGates"]
        .as_array()
        .is_some_and(|gates| !gates.is_empty());
    !bound && !leaving && !gated
}

/// What the pods of the node use, and which pods wait until there is room.
pub struct Scheduler {
    shared: Arc<Shared>,
    /// What the node has, in thousandths, in the order of [`RESOURCES`].
    all: Amounts,
    taken: Amounts,
    /// By uid: what each pod takes that has not ended, so that none is read twice for it.
    used: HashMap<String, Amounts>,
    /// By uid.
    waiting: BTreeMap<String, ObjectKey>,
    /// Why there is no node for anybody.
    no_node: Option<&'static str>,
}

type Amounts = [i128; RESOURCES.len()];

impl Scheduler {
    /// A scheduler that knows of no pods.
    pub fn new(shared: Arc<Shared>) -> Self {
        let all = RESOURCES.map(|resource| {
            let capacity = capacity(resource, shared.config.simulate);
            millis(&capacity).unwrap_or_default()
        });
        Self {
            shared,
            all,
            taken: Amounts::default(),
            used: HashMap::new(),
            waiting: BTreeMap::new(),
            no_node: None,
        }
    }

    /// A scheduler of a cluster whose node is lost.
    pub fn without_node(shared: Arc<Shared>) -> Self {
        Self {
            no_node: Some("1 node(s) had untolerated taint(s)"),
            ..Self::new(shared)
        }
    }

    /// Takes note of a pod that has a node.
    pub fn see(&mut self, uid: &str, pod: &Object) {
        self.waiting.remove(uid);
        let phase = pod.text(&["status", "phase"]);
        let over = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
        if over {
            self.release(uid);
        } else if !self.used.contains_key(uid) {
            self.take(uid, pod);
        }
    }

    /// Forgets a pod that is gone.
    pub fn forget(&mut self, uid: &str) {
        self.waiting.remove(uid);
        self.release(uid);
    }

    fn take(&mut self, uid: &str, pod: &Value) {
        let amounts = RESOURCES.map(|resource| requested(pod, resource));
        for (taken, amount) in self.taken.iter_mut().zip(amounts) {
            *taken += amount;
        }
        self.used.insert(uid.to_owned(), amounts);
    }

    /// Pods that wait get another chance when something becomes free.
    fn release(&mut self, uid: &str) {
        let Some(amounts) = self.used.remove(uid) else {
            return;
        };
        if amounts == Amounts::default() {
            return;
        }
        for (taken, amount) in self.taken.iter_mut().zip(amounts) {
            *taken -= amount;
        }
        for key in std::mem::take(&mut self.waiting).into_values() {
            if let Some(pod) = self.shared.objects.get(&key)
                && is_unscheduled(&pod)
            {
                self.schedule(&pod);
            }
        }
    }

    /// Binds `pod` to the node, or tells why it cannot be.
    pub fn schedule(&mut self, pod: &Object) {
        let (Some(key), Some(uid)) = (key_of(pod), pod["metadata"]["uid"].as_str()) else {
            return;
        };
        let name = &self.shared.config.name;
        let mut free = Vec::new();
        for ((resource, all), taken) in RESOURCES.iter().zip(self.all).zip(self.taken) {
            free.push((*resource, all - taken));
        }
        let why = match self.no_node {
            Some(why) => Some(why.to_owned()),
            None => obstacle(pod, &node_labels(name), &free),
        };
        let told = why.map(|why| unschedulable(&why));
        if let Some(fresh) = bind(&self.shared, &key, pod, uid, told.as_deref()) {
            match &told {
                None => self.take(uid, pod),
                Some(_) => {
                    self.waiting.insert(uid.to_owned(), key);
                }
            }
            if fresh {
                say(&self.shared, pod, told);
            }
        }
    }
}

/// Writes the decision into the pod; tells whether it is a new one. None if the pod is gone or
/// has a node already.
fn bind(
    shared: &Shared,
    key: &ObjectKey,
    seen: &Object,
    uid: &str,
    told: Option<&str>,
) -> Option<bool> {
    let now = seconds(jiff::Timestamp::now());
    let node = shared.config.name.as_str();
    let mut decided = None;
    let expected = Preconditions::uid(uid);
    let objects = &shared.objects;
    let written = objects.update_seen(key, seen.clone(), expected, |pod| {
        if !is_unscheduled(pod) {
            return;
        }
        let generation = pod["metadata"]["generation"].clone();
        let condition = match told {
            None => json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
                "lastTransitionTime": now}),
            Some(message) => json!({"type": "PodScheduled", "observedGeneration": generation,
                "status": "False", "lastProbeTime": null, "lastTransitionTime": now,
                "reason": "Unschedulable", "message": message}),
        };
        if told.is_none() {
            pod["spec"]["nodeName"] = node.into();
        }
        let conditions = pod["status"]["conditions"].as_array();
        let conditions = conditions.into_iter().flatten();
        let (former, others): (Vec<_>, Vec<_>) =
            conditions.partition(|one| one["type"] == "PodScheduled");
        let fresh = former
            .first()
            .is_none_or(|former| former["message"] != condition["message"]);
        decided = Some(fresh);
        if fresh {
            let next = others.into_iter().cloned().chain([condition]).collect();
            pod["status"]["conditions"] = next;
        }
    });
    written.ok().and(decided)
}

fn say(shared: &Shared, pod: &Object, told: Option<String>) {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let node = &shared.config.name;
    let (action, kind, reason, text) = match told {
        None => {
            let text = format!("Successfully assigned {namespace}/{name} to {node}");
            ("Binding", EventType::Normal, "Scheduled", text)
        }
        Some(text) => ("Scheduling", EventType::Warning, "FailedScheduling", text),
    };
    let source = EventSource::Scheduler { action };
    let objects = &shared.objects;
    let said = objects.record_event(&source, pod, None, kind, reason, &text);
    if let Err(error) = said {
        tracing::warn!(%error, reason, "an event could not be recorded");
    }
}

fn unschedulable(why: &str) -> String {
    format!(
        "0/1 nodes are available: {why}. no new claims to deallocate, preemption: 0/1 nodes are \
         available: 1 Preemption is not helpful for scheduling."
    )
}

/// The labels of the node.
pub fn node_labels(name: &str) -> Value {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
    })
}

/// What a pod asks for: its containers together, or its largest init container.
fn requested(pod: &Value, resource: &str) -> i128 {
    let of = |member: &str| -> Vec<i128> {
        let list = pod["spec"][member].as_array().into_iter().flatten();
        list.filter_map(|one| millis(one["resources"]["requests"][resource].as_str()?))
            .collect()
    };
    let together: i128 = of("containers").iter().sum();
    of("initContainers")
        .into_iter()
        .max()
        .unwrap_or(0)
        .max(together)
}

/// Why the node will not do, in the words of the API.
fn obstacle(pod: &Value, labels: &Value, free: &[(&'static str, i128)]) -> Option<String> {
    let wanted = pod["spec"]["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten();
    let selected = wanted.into_iter().all(|(key, value)| labels[key] == *value);
    if !selected || !suits_affinity(&pod["spec"]["affinity"]["nodeAffinity"], labels) {
        return Some("1 node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let short: Vec<String> = free
        .iter()
        .filter(|(resource, left)| {
            let wanted = requested(pod, resource);
            wanted > 0 && wanted > *left
        })
        .map(|(resource, _)| format!("1 Insufficient {resource}"))
        .collect();
    (!short.is_empty()).then(|| short.join(", "))
}

fn suits_affinity(affinity: &Value, labels: &Value) -> bool {
    let terms = &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    let Some(terms) = terms.as_array() else {
        return true;
    };
    terms.iter().any(|term| {
        let expressions = term["matchExpressions"].as_array().into_iter().flatten();
        expressions.into_iter().all(|one| suits(one, labels))
    })
}

fn suits(expression: &Value, labels: &Value) -> bool {
    let key = expression["key"].as_str().unwrap_or_default();
    let label = labels[key].as_str();
    let values: Vec<&str> = expression["values"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let compared = number(label).zip(number(values.first().copied()));
    match expression["operator"].as_str() {
        Some("In") => label.is_some_and(|label| values.contains(&label)),
        Some("NotIn") => label.is_none_or(|label| !values.contains(&label)),
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        Some("Gt") => compared.is_some_and(|(label, value)| label > value),
        Some("Lt") => compared.is_some_and(|(label, value)| label < value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(spec: &Value) -> Option<String> {
        let free = [("cpu", 2000), ("memory", 1024 * 1000)];
        obstacle(&json!({"spec": spec}), &node_labels("local"), &free)
    }

    #[test]
    fn a_pod_without_wishes_fits() {
        assert_eq!(asked(&json!({"containers": [{"name": "a"}]})), None);
    }

    #[test]
    fn requests_that_the_node_cannot_meet_are_named() {
        let container = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        assert_eq!(
            asked(&json!({"containers": [container("1"), container("1")]})),
            None
        );
        assert_eq!(
            asked(&json!({"containers": [container("1"), container("1500m")]})).as_deref(),
            Some("1 Insufficient cpu")
        );
        let init = json!({"containers": [], "initContainers": [container("3")]});
        assert_eq!(asked(&init).as_deref(), Some("1 Insufficient cpu"));
    }

    #[test]
    fn selectors_and_affinity_are_compared_with_the_labels() {
        let unmatched = Some("1 node(s) didn't match Pod's node affinity/selector");
        let selector = json!({"nodeSelector": {"disk": "none"}});
        assert_eq!(asked(&selector).as_deref(), unmatched);
        assert_eq!(
            asked(&json!({"nodeSelector": {"kubernetes.io/os": "linux"}})),
            None
        );
        let affinity = |operator: &str| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/os", "operator": operator, "values": ["linux"]}]}]}}}})
        };
        assert_eq!(asked(&affinity("In")), None);
        assert_eq!(asked(&affinity("NotIn")).as_deref(), unmatched);
    }
}
