//! A callback that writes down all that it is told.

use std::sync::Mutex;

use adjourn::operator::callbacks::{
    CallbackResult, CleanupTold, ClientTold, LineTold, ManifestTold, PodCallbacks, PodTold,
    ResumeTold,
};
use adjourn::pod::observe::container_is_terminated;
use async_trait::async_trait;
use serde_json::Value;

#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<String>>,
}

impl Recorder {
    fn hear(&self, words: impl Into<String>) -> CallbackResult {
        self.heard.lock().unwrap().push(words.into());
        Ok(())
    }

    fn hear_pod(&self, event: &str, told: &PodTold) -> CallbackResult {
        let named = told.pod.identity.name.starts_with("t-") && !told.pod.identity.uid.is_empty();
        let ended = container_is_terminated(&told.pod, &told.task.base_container);
        self.hear(format!("{event} named={named} ended={ended}"))
    }

    /// All that was heard, in order.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// What was heard but for that which begins with one of `noise`.
    pub fn heard_without(&self, noise: &[&str]) -> Vec<String> {
        let mut heard = self.heard();
        heard.retain(|words| !noise.iter().any(|noise| words.starts_with(noise)));
        heard
    }

    pub fn lines(&self) -> Vec<String> {
        self.heard()
            .iter()
            .filter_map(|words| words.strip_prefix("line "))
            .map(str::to_owned)
            .collect()
    }
}

#[async_trait]
impl PodCallbacks for Recorder {
    async fn on_sync_client_creation(&self, told: &ClientTold) -> CallbackResult {
        let asked = told.client.kube().apiserver_version().await;
        self.hear(format!("sync client works={}", asked.is_ok()))
    }

    async fn on_async_client_creation(&self, told: &ClientTold) -> CallbackResult {
        self.hear(format!("async client of {}", told.connection.name))
    }

    async fn on_pod_manifest_created(
        &self,
        told: &ManifestTold,
        pod: &mut Value,
    ) -> CallbackResult {
        let labels = &pod["metadata"]["labels"];
        let own = labels["task_id"] == told.task.key.task_id.as_str();
        self.hear(format!("manifest own={own} try={}", told.task.try_number))
    }

    async fn on_pod_creation(&self, told: &PodTold) -> CallbackResult {
        self.hear_pod("creation", told)
    }

    async fn on_pod_starting(&self, told: &PodTold) -> CallbackResult {
        let named = told.pod.identity.name.starts_with("t-");
        self.hear(format!("starting named={named}"))
    }

    async fn on_pod_completion(&self, told: &PodTold) -> CallbackResult {
        self.hear_pod("completion", told)
    }

    async fn on_pod_teardown(&self, told: &PodTold) -> CallbackResult {
        self.hear_pod("teardown", told)
    }

    async fn on_pod_cleanup(&self, told: &CleanupTold) -> CallbackResult {
        let action = told.action.map_or("nothing", |action| action.as_str());
        let outcome = told.outcome.as_str();
        let code = told.exit_code;
        self.hear(format!("cleanup {outcome} code={code:?} {action}"))
    }

    async fn on_operator_resuming(&self, told: &ResumeTold) -> CallbackResult {
        self.hear(format!("resuming {}", told.event.status.as_str()))
    }

    async fn progress_callback(&self, told: &LineTold<'_>) -> CallbackResult {
        let text = String::from_utf8_lossy(&told.line.text);
        self.hear(format!("line {text}"))
    }
}
