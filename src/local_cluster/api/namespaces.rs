//! Emptying namespaces that are being deleted.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::pods::deletion;
use super::query::DeleteOptions;
use crate::local_cluster::objects::{
    EventKind, ObjectError, ObjectKey, Objects, Preconditions, Resource,
};

/// Removes namespaces that are being deleted once everything in them is gone. Ends when
/// `stopping` is cancelled.
pub(crate) async fn keep_emptying(objects: Objects, stopping: CancellationToken) {
    loop {
        let watches = (
            objects.watch(Resource::Namespace, None),
            objects.watch(Resource::Pod, None),
        );
        let (Ok(mut namespaces), Ok(mut pods)) = watches else {
            // A watch from now on cannot be too old.
            return;
        };
        sweep(&objects);
        loop {
            let wanted = tokio::select! {
                () = stopping.cancelled() => return,
                event = namespaces.next() => match event {
                    Some(event) => event.kind == EventKind::Modified,
                    None => break,
                },
                event = pods.next() => match event {
                    Some(event) => event.kind == EventKind::Deleted,
                    None => break,
                },
            };
            if wanted {
                sweep(&objects);
            }
        }
    }
}

fn sweep(objects: &Objects) {
    for namespace in objects.list(Resource::Namespace, None).0 {
        if namespace.text(&["metadata", "deletionTimestamp"]).is_none() {
            continue;
        }
        if let Some(name) = namespace.text(&["metadata", "name"])
            && let Err(error) = empty(objects, &name)
        {
            tracing::warn!(%error, namespace = &*name, "the namespace could not be emptied");
        }
    }
}

/// Deletes what is in a namespace, and the namespace itself if nothing is left.
fn empty(objects: &Objects, namespace: &str) -> Result<(), ObjectError> {
    let mut left = false;
    for pod in objects.list(Resource::Pod, Some(namespace)).0 {
        left = true;
        if let Some(key) = pod.key(Resource::Pod)
            && pod.text(&["metadata", "deletionTimestamp"]).is_none()
        {
            let options = DeleteOptions::default();
            let now = jiff::Timestamp::now();
            let gone = deletion::delete(objects, &key, pod, &options, now);
            tolerate_absence(gone.map(|_| ()))?;
            left = objects.get(&key).is_some() || left;
        }
    }
    left = left && !objects.list(Resource::Pod, Some(namespace)).0.is_empty();
    if left {
        return Ok(());
    }
    for resource in Resource::ALL {
        if !resource.namespaced() || resource == Resource::Pod {
            continue;
        }
        for object in objects.list(resource, Some(namespace)).0 {
            if let Some(key) = object.key(resource) {
                tolerate_absence(objects.remove(&key, Preconditions::none()).map(|_| ()))?;
                left = left || objects.get(&key).is_some();
            }
        }
    }
    if left {
        return Ok(());
    }
    let key = ObjectKey::cluster(Resource::Namespace, namespace);
    objects.update(&key, Preconditions::none(), |namespace| {
        if let Some(spec) = namespace.get_mut("spec").and_then(Value::as_object_mut) {
            spec.shift_remove("finalizers");
        }
    })?;
    tolerate_absence(objects.remove(&key, Preconditions::none()).map(|_| ()))
}

fn tolerate_absence(result: Result<(), ObjectError>) -> Result<(), ObjectError> {
    match result {
        Err(ObjectError::NotFound(_)) => Ok(()),
        other => other,
    }
}
