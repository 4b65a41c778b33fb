//! Core Events: what the scheduler and the kubelet have to say about an object.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{ObjectError, ObjectKey, Objects, Preconditions, Resource, now, now_micros};

/// Who speaks. The two write their events in different shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSource {
    /// The kubelet of the node of that name: repeats are counted in one event.
    Kubelet {
        /// The node's name.
        node: String,
    },
    /// The scheduler: `eventTime` in place of the first and last timestamp, and no count.
    Scheduler {
        /// `Binding` or `Scheduling`.
        action: &'static str,
    },
}

/// Whether an event tells of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Nothing to worry about.
    Normal,
    /// Something that a person may have to see to.
    Warning,
}

impl Objects {
    /// Records an event about `involved`, a whole object. `field_path` tells which container is
    /// meant, as in `spec.containers{base}`. An event of the kubelet that says the same as an
    /// earlier one about the same object is counted there.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn record_event(
        &self,
        source: &EventSource,
        involved: &Value,
        field_path: Option<&str>,
        event_type: EventType,
        reason: &str,
        message: &str,
    ) -> Result<(), ObjectError> {
        let metadata = &involved["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let mut reference = json!({
            "kind": involved["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": involved["apiVersion"],
            "resourceVersion": metadata["resourceVersion"],
        });
        if let Some(path) = field_path {
            reference["fieldPath"] = path.into();
        }
        let event_type = match event_type {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        let mut event = json!({
            "metadata": {
                "name": event_name(metadata["name"].as_str().unwrap_or_default()),
                "namespace": namespace,
            },
            "involvedObject": reference,
            "reason": reason,
            "message": message,
        });
        match source {
            EventSource::Kubelet { node } => {
                if let Some(key) = self.same_event(namespace, node, &event, event_type) {
                    self.update(&key, Preconditions::none(), |event| {
                        event["count"] = (event["count"].as_i64().unwrap_or(0) + 1).into();
                        event["lastTimestamp"] = now().into();
                    })?;
                    return Ok(());
                }
                event["source"] = json!({"component": "kubelet", "host": node});
                event["firstTimestamp"] = now().into();
                event["lastTimestamp"] = event["firstTimestamp"].clone();
                event["count"] = 1.into();
                event["type"] = event_type.into();
                event["eventTime"] = Value::Null;
                event["reportingComponent"] = "kubelet".into();
                event["reportingInstance"] = node.as_str().into();
            }
            EventSource::Scheduler { action } => {
                event["source"] = json!({});
                event["firstTimestamp"] = Value::Null;
                event["lastTimestamp"] = Value::Null;
                event["type"] = event_type.into();
                event["eventTime"] = now_micros().into();
                event["action"] = (*action).into();
                event["reportingComponent"] = "default-scheduler".into();
                event["reportingInstance"] = "default-scheduler-local".into();
            }
        }
        self.create(Resource::Event, event)?;
        Ok(())
    }

    /// The event of this kubelet that says the same as `event`, if there is one.
    fn same_event(
        &self,
        namespace: &str,
        node: &str,
        event: &Value,
        event_type: &str,
    ) -> Option<ObjectKey> {
        let involved = &event["involvedObject"];
        self.find_event(namespace, involved["uid"].as_str()?, |found| {
            let same = |path: &[&str], text: Option<&str>| found.text(path).as_deref() == text;
            same(&["source", "host"], Some(node))
                && same(
                    &["involvedObject", "fieldPath"],
                    involved["fieldPath"].as_str(),
                )
                && same(&["reason"], event["reason"].as_str())
                && same(&["message"], event["message"].as_str())
                && same(&["type"], Some(event_type))
        })
    }
}

/// The object's name and a number that rises: nanoseconds, in hexadecimal.
fn event_name(object: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let nanos = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default();
    let next = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(nanos.max(last + 1))
        })
        .map_or(nanos, |last| nanos.max(last + 1));
    format!("{object}.{next:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kubelet_repeats_is_counted_and_what_the_scheduler_says_is_not() {
        let objects = Objects::in_memory();
        let pod = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "1"},
        });
        let kubelet = EventSource::Kubelet {
            node: "local".into(),
        };
        let scheduler = EventSource::Scheduler { action: "Binding" };
        for source in [&kubelet, &kubelet, &scheduler, &scheduler] {
            objects
                .record_event(source, &pod, None, EventType::Warning, "Reason", "message")
                .unwrap();
        }
        let other_container = Some("spec.containers{two}");
        objects
            .record_event(
                &kubelet,
                &pod,
                other_container,
                EventType::Warning,
                "Reason",
                "message",
            )
            .unwrap();
        let (events, _) = objects.list(Resource::Event, Some("n"));
        let counts: Vec<_> = events.iter().map(|event| event["count"].as_i64()).collect();
        assert_eq!(counts, [Some(2), None, None, Some(1)]);
        assert_eq!(events[0]["firstTimestamp"].as_str().map(str::len), Some(20));
        assert_eq!(events[1]["firstTimestamp"], Value::Null);
        assert_eq!(events[1]["eventTime"].as_str().map(str::len), Some(27));
        assert_eq!(events[0]["involvedObject"]["uid"], "u");
    }
}
