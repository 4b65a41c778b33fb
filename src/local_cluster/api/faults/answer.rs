//! Answering whoever asks for faults.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::orders::{NodeLoss, Orders, PodContainer};
use crate::local_cluster::api::logs::container;
use crate::local_cluster::api::media;
use crate::local_cluster::api::refusal::Refusal;
use crate::local_cluster::api::serve::Api;
use crate::local_cluster::objects::{Object, ObjectKey, Resource};

/// Answers a request for faults, with those that hold afterwards.
pub(crate) async fn respond(api: &Api, method: &Method, body: &[u8]) -> Result<Response, Refusal> {
    if !api.faults.allowed() {
        return Err(Refusal::no_such_path());
    }
    let read = || -> Result<Orders, Refusal> {
        let fault = |why: String| Refusal::bad_request(format!("not faults: {why}"));
        let orders: Orders =
            serde_json::from_slice(body).map_err(|error| fault(error.to_string()))?;
        match orders.rules.iter().find_map(|rule| rule.complaint()) {
            Some(why) => Err(fault(why)),
            None => Ok(orders),
        }
    };
    match *method {
        Method::GET => {}
        Method::PUT => carry_out(api, read()?, true).await?,
        Method::POST => carry_out(api, read()?, false).await?,
        Method::DELETE => carry_out(api, Orders::default(), true).await?,
        _ => return Err(Refusal::method_not_allowed()),
    }
    Ok(media::json(StatusCode::OK, &shown(api)))
}

fn shown(api: &Api) -> Value {
    let mut shown = api.faults.shown();
    shown["lost_node"] = json!(api.node.loss().map(NodeLoss::from));
    shown
}

/// `anew` puts the orders in the place of what holds; otherwise they come to it.
async fn carry_out(api: &Api, orders: Orders, anew: bool) -> Result<(), Refusal> {
    // First what can be refused: an order that is refused changes nothing.
    let mut rotations = Vec::new();
    for one in &orders.rotate_logs {
        let pod = find(api, one)?;
        let container = container(&pod, &one.pod, one.container.as_deref())?;
        rotations.push((pod, container));
    }
    let evictions: Vec<Object> = orders
        .evict_pods
        .iter()
        .map(|one| find(api, one))
        .collect::<Result<_, _>>()?;
    if (!rotations.is_empty() || !evictions.is_empty()) && api.node.loss().is_some() {
        return Err(Refusal::bad_request(
            "the node is lost: nothing can be asked of it",
        ));
    }
    for (pod, container) in rotations {
        let rotated = api.node.rotate_log(&pod, &container).await;
        rotated.map_err(|error| Refusal::bad_request(error.to_string()))?;
    }
    for pod in evictions {
        let evicted = api.node.evict(&pod);
        evicted.map_err(|error| Refusal::from_store(Resource::Pod, &error))?;
    }
    if orders.forget_history {
        api.objects.forget_history();
    }
    if anew {
        api.faults.set(orders.rules);
    } else {
        api.faults.add(orders.rules);
    }
    api.faults.tell_watches(|watches| {
        watches.silent = orders.silent_watches || (watches.silent && !anew);
        watches.cuts += u64::from(orders.cut_watches);
        watches.expiries += u64::from(orders.expire_watches);
    });
    match orders.lose_node {
        Some(loss) => api.node.lose(loss.into()),
        None if anew || orders.find_node => api.node.find(),
        None => {}
    }
    Ok(())
}

fn find(api: &Api, one: &PodContainer) -> Result<Object, Refusal> {
    let key = ObjectKey::namespaced(Resource::Pod, &one.namespace, &one.pod);
    let pod = api.objects.get(&key);
    pod.ok_or_else(|| Refusal::not_found("pods", &one.pod))
}
