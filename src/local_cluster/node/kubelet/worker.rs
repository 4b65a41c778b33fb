//! One pod's worker: carries out what the pod's state asks for and tells the API what came of it.
//!
//! It is the only one who writes this pod's status. Between two steps it waits for a change of the
//! pod's object, for news of a container, or for the next moment at which something is due.

mod containers;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::intake;
use super::machine::Effect;
use super::place::PodPlace;
use super::shared::Shared;
use super::state::PodState;
use super::telling::Told;
use super::volumes;
use crate::local_cluster::node::runtime::{self, ContainerHandle, News};
use crate::local_cluster::objects::{EventType, Object, ObjectError, ObjectKey, Resource};

/// What a worker is told about its pod's object.
#[derive(Debug, Clone)]
pub enum Message {
    /// It has changed.
    Changed(Object),
    /// It is gone.
    Gone,
    /// The node needs what it takes, and why.
    Evict(String),
}

type Watched = (usize, ContainerHandle, std::io::Result<News>);

/// The worker of one pod.
pub struct Worker {
    shared: Arc<Shared>,
    key: ObjectKey,
    place: PodPlace,
    pod: Object,
    state: PodState,
    /// Failed tries of each container's image.
    tries: Vec<u32>,
    watched: JoinSet<Watched>,
    inbox: UnboundedReceiver<Message>,
    /// The object is gone, so that nothing can be told any more.
    gone: bool,
    /// The pod's files are gone.
    removed: bool,
    /// The final phase was told by an earlier server: it stays as it is.
    closed: bool,
}

impl Worker {
    /// The worker of `pod`. Messages about it come through `inbox`.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        key: ObjectKey,
        pod: Object,
        inbox: UnboundedReceiver<Message>,
    ) -> Self {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let place = PodPlace::new(&shared.config.state_dir, uid);
        let state = intake::former_state(&pod, &place, Timestamp::now());
        Self {
            tries: vec![0; state.containers.len()],
            closed: intake::is_final(&pod),
            shared,
            key,
            place,
            pod,
            state,
            watched: JoinSet::new(),
            inbox,
            gone: false,
            removed: false,
        }
    }

    /// Works until the pod is gone.
    pub async fn run(mut self) {
        self.adopt().await;
        self.take_in(self.pod.clone());
        loop {
            let step = self.state.advance(Timestamp::now());
            self.tell();
            if step.effects.is_empty() || self.removed {
                if self.removed && self.gone {
                    return;
                }
                self.wait(step.wake).await;
                continue;
            }
            for effect in step.effects {
                self.carry_out(effect).await;
            }
            self.take_waiting();
        }
    }

    async fn wait(&mut self, wake: Option<Timestamp>) {
        let pause = wake.map(|moment| {
            let left = moment.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or_default()
        });
        let due = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        if pause.is_none() {
            // Nothing is due by itself, often for long.
            self.pod = self.pod.packed();
        }
        let mut due = std::pin::pin!(due);
        loop {
            tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) if self.is_echo(&message) => continue,
                    Some(message) => self.take_message(message),
                    // The node is letting go; it ends us at our next wait.
                    None => std::future::pending().await,
                },
                Some(news) = self.watched.join_next() => {
                    if let Ok(news) = news {
                        self.take_news(news);
                    }
                }
                () = due.as_mut() => {}
            }
            break;
        }
        self.take_waiting();
    }

    /// Takes in what has happened meanwhile, so that one status tells of all of it.
    fn take_waiting(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.take_message(message);
        }
        while let Some(Ok(news)) = self.watched.try_join_next() {
            self.take_news(news);
        }
    }

    /// Whether it tells of nothing but our own last write.
    fn is_echo(&self, message: &Message) -> bool {
        match message {
            Message::Changed(pod) => intake::is_echo(pod, &self.pod, &self.state),
            Message::Gone | Message::Evict(_) => false,
        }
    }

    fn take_message(&mut self, message: Message) {
        match message {
            Message::Changed(pod) => self.take_in(pod),
            Message::Gone => {
                self.gone = true;
                self.state.orphan(Timestamp::now());
            }
            Message::Evict(why) => {
                self.say(EventType::Warning, "Evicted", &why);
                self.state.evict(why, Timestamp::now());
            }
        }
    }

    fn take_in(&mut self, pod: Object) {
        self.state.deadline = intake::deadline(&pod);
        if let Some(grace) = intake::deletion(&pod) {
            self.state.delete(grace, Timestamp::now());
        }
        // What we wrote ourselves may be newer than what we are told.
        if pod.version() > self.pod.version() {
            self.pod = pod;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare => self.prepare(),
            Effect::Launch(index) => self.launch(index).await,
            Effect::Stop(index) => {
                let name = self.name(index);
                let text = format!("Stopping container {name}");
                self.say_of(index, EventType::Normal, "Killing", &text);
                self.order(index, runtime::stop);
            }
            Effect::Kill(index) => self.order(index, runtime::kill),
            Effect::TellBackOff(index) => {
                let (name, title) = (self.name(index), &self.state.title);
                let text = format!("Back-off restarting failed container {name} in pod {title}");
                self.say_of(index, EventType::Warning, "BackOff", &text);
            }
            Effect::TellDeadline => {
                let text = "Pod was active on the node longer than the specified deadline";
                self.say(EventType::Normal, "DeadlineExceeded", text);
            }
            Effect::Remove => self.remove().await,
        }
    }

    fn prepare(&mut self) {
        let values = self.shared.values(&self.pod);
        match volumes::make_all(&self.place.volumes(), values) {
            Ok(()) => self.state.prepared(),
            Err(failed) => {
                let text = format!(
                    "MountVolume.SetUp failed for volume {:?} : {}",
                    failed.volume, failed.why
                );
                self.say(EventType::Warning, "FailedMount", &text);
                self.state.not_prepared(Timestamp::now());
            }
        }
    }

    /// Takes the pod's files away and lets its object go.
    async fn remove(&mut self) {
        let place = self.place.clone();
        let removed = tokio::task::spawn_blocking(move || place.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, pod = self.state.title, "files of a pod could not be removed");
        }
        self.removed = true;
        if self.gone {
            return;
        }
        let told = Told {
            shared: &self.shared,
            key: &self.key,
            uid: self.place.uid(),
        };
        let removed = told.let_go();
        self.note(removed);
    }

    /// Writes the status, if it is not what the API shows already.
    fn tell(&mut self) {
        if self.gone || self.removed || self.closed || intake::is_let_go(&self.pod) {
            return;
        }
        let told = Told {
            shared: &self.shared,
            key: &self.key,
            uid: self.place.uid(),
        };
        if let Some(written) = told.tell(&mut self.pod, &self.state).transpose() {
            self.note(written);
        }
    }

    fn note(&mut self, written: Result<Object, ObjectError>) {
        match written {
            Ok(pod) => self.pod = pod,
            Err(ObjectError::NotFound(_) | ObjectError::Conflict { .. }) => {
                // The watch will tell the same.
                self.gone = true;
                self.state.orphan(Timestamp::now());
            }
            Err(error) => {
                tracing::error!(%error, pod = self.state.title, "a status could not be written");
            }
        }
    }

    fn say(&self, kind: EventType, reason: &str, text: &str) {
        self.shared.say(&self.pod, None, kind, reason, text);
    }

    fn say_of(&self, index: usize, kind: EventType, reason: &str, text: &str) {
        let path = self.path(index);
        self.shared.say(&self.pod, Some(&path), kind, reason, text);
    }
}

/// The key of a pod.
#[must_use]
pub fn key_of(pod: &Value) -> Option<ObjectKey> {
    ObjectKey::of(Resource::Pod, pod)
}
