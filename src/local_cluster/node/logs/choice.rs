//! Which run's log a request means, and whether there is one.

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::Value;

use super::made_up::MadeUpLog;
use super::reader::{Reader, RunEnd};
use super::{LogOptions, LogRefusal, LogStream};
use crate::local_cluster::node::kubelet::place::PodPlace;
use crate::local_cluster::node::kubelet::shared::Shared;
use crate::local_cluster::node::loss::broken_by_loss;
use crate::local_cluster::node::made_up::Story;

/// The log of `container` of `pod`, whose object is as the caller has just read it.
///
/// # Errors
/// What the API answers instead.
pub fn open(
    shared: &Shared,
    pod: &Value,
    container: &str,
    options: &LogOptions,
) -> Result<LogStream, LogRefusal> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    if pod["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        return Err(LogRefusal {
            status: 204,
            message: String::new(),
            plain_text: true,
        });
    }
    if shared.is_lost() {
        return Err(LogRefusal::internal(format!(
            "fetching the log of container {container:?} from the node: {}",
            shared.unreachable()
        )));
    }
    let status = status_of(pod, container);
    let id = if options.previous {
        let id = status["lastState"]["terminated"]["containerID"].as_str();
        id.ok_or_else(|| {
            LogRefusal::bad_request(format!(
                "previous terminated container {container:?} in pod {name:?} not found"
            ))
        })?
    } else {
        current(status).map_err(|why| {
            LogRefusal::bad_request(format!("container {container:?} in pod {name:?} is {why}"))
        })?
    };
    let end = RunEnd::new(shared.objects.clone(), pod, container, id);
    if shared.config.simulate {
        let log = MadeUpLog::new(Story::of(pod), status, id);
        let log = Reader::made_up(log, end, options).into_stream();
        return Ok(broken_by_loss(shared, log));
    }
    let place = PodPlace::new(&shared.config.state_dir, uid);
    let newest = place.newest_run(container).unwrap_or(0);
    let Some(number) = (1..=newest).find(|number| place.id(container, *number) == id) else {
        // A real server answers this with 200: it is not a log line.
        let text = format!("unable to retrieve container logs for {id}");
        return Ok(stream::iter([Ok(Bytes::from(text))]).boxed());
    };
    let reader = Reader::new(place.run(container, number), end, options);
    Ok(broken_by_loss(shared, reader.into_stream()))
}

/// The id of the run whose log is served, or why there is none.
fn current(status: &Value) -> Result<&str, String> {
    let state = &status["state"];
    if let Some(waiting) = state.get("waiting") {
        let last = status["lastState"]["terminated"]["containerID"].as_str();
        return last.ok_or_else(|| {
            let why = match waiting["reason"].as_str() {
                Some("ErrImagePull" | "ImagePullBackOff") => "trying and failing to pull image",
                Some(reason) => reason,
                None => "ContainerCreating",
            };
            format!("waiting to start: {why}")
        });
    }
    if state.get("terminated").is_some() {
        let id = state["terminated"]["containerID"].as_str();
        return id.ok_or_else(|| "terminated".to_owned());
    }
    let id = status["containerID"].as_str();
    id.ok_or_else(|| "waiting to start: ContainerCreating".to_owned())
}

/// The status of one container of any role; null if the kubelet has not written it.
pub fn status_of<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let mut all = lists
        .iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten();
    all.find(|one| one["name"] == container)
        .unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_served_depends_on_the_state() {
        let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
        for (status, expected) in [
            (json!(null), Err("waiting to start: ContainerCreating")),
            (
                waiting("PodInitializing"),
                Err("waiting to start: PodInitializing"),
            ),
            (
                waiting("ErrImagePull"),
                Err("waiting to start: trying and failing to pull image"),
            ),
            (
                json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"containerID": "x://1"}}, "containerID": "x://1"}),
                Ok("x://1"),
            ),
            (
                json!({"state": {"running": {}}, "containerID": "x://2"}),
                Ok("x://2"),
            ),
            (
                json!({"state": {"terminated": {"containerID": "x://3"}}}),
                Ok("x://3"),
            ),
            (
                json!({"state": {"terminated": {"exitCode": 137}}}),
                Err("terminated"),
            ),
        ] {
            let served = current(&status);
            assert_eq!(
                served.as_deref().map_err(String::as_str),
                expected,
                "{status}"
            );
        }
    }
}
