//! Forgetting events that are an hour old, as nobody else removes them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::local_cluster::objects::{Object, Objects, Preconditions, Resource};

/// How long an event is kept after it was last seen.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);

/// Removes old events until `stopping` is cancelled.
pub(crate) async fn keep_forgetting(objects: Objects, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK) => forget(&objects, Timestamp::now()),
        }
    }
}

fn forget(objects: &Objects, now: Timestamp) {
    for event in objects.list(Resource::Event, None).0 {
        let old = last_seen(&event).is_some_and(|seen| now.duration_since(seen) > KEPT);
        if old && let Some(key) = event.key(Resource::Event) {
            let expected = Preconditions {
                uid: None,
                // Seen again meanwhile: then it stays.
                resource_version: Some(event.version().to_string()),
            };
            if let Err(error) = objects.remove(&key, expected) {
                tracing::debug!(%error, "an old event stays for now");
            }
        }
    }
}

fn last_seen(event: &Object) -> Option<Timestamp> {
    [
        &["lastTimestamp"][..],
        &["eventTime"],
        &["metadata", "creationTimestamp"],
    ]
    .into_iter()
    .find_map(|path| event.text(path)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_cluster::objects::{EventSource, EventType};
    use serde_json::json;

    #[test]
    fn an_event_is_forgotten_an_hour_after_it_was_last_seen() {
        let objects = Objects::in_memory();
        let pod = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}});
        let source = EventSource::Scheduler { action: "Binding" };
        objects
            .record_event(&source, &pod, None, EventType::Normal, "Scheduled", "it is")
            .unwrap();
        let now = Timestamp::now();
        forget(&objects, now + SignedDuration::from_mins(59));
        assert_eq!(objects.count(Resource::Event), 1);
        forget(&objects, now + SignedDuration::from_mins(61));
        assert_eq!(objects.count(Resource::Event), 0);
    }
}
