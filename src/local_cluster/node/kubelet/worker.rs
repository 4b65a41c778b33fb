//! One pod's worker: carries out what the pod's state asks for and tells the API what came of it.
//!
//! It is the only one who writes this pod's status. Between two steps it waits for a change of the
//! pod's object, for news of a container, or for the next moment at which something is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::intake;
use super::launch::{Launch, Launched};
use super::machine::Effect;
use super::place::PodPlace;
use super::preparation::Refusal;
use super::shared::Shared;
use super::state::{Ended, PodState, Role};
use super::status::{self, seconds};
use super::{last_words, launch, volumes};
use crate::local_cluster::node::runtime::{self, ContainerHandle, News};
use crate::local_cluster::node::shim::plan::{ContainerDir, ExitRecord};
use crate::local_cluster::objects::{
    EventType, Object, ObjectError, ObjectKey, Preconditions, Resource,
};

/// What a worker is told about its pod's object.
#[derive(Debug, Clone)]
pub enum Message {
    /// It has changed.
    Changed(Object),
    /// It is gone.
    Gone,
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

    /// Takes up the containers that an earlier server started.
    async fn adopt(&mut self) {
        for index in 0..self.state.containers.len() {
            let Some((name, number)) = self.state.containers.get(index).and_then(|container| {
                container.id.as_ref()?;
                Some((container.name.clone(), container.restarts + 1))
            }) else {
                continue;
            };
            if number > 1 {
                let last = self.former_end(index, &name, number - 1);
                if let Some(container) = self.state.containers.get_mut(index) {
                    container.last = last;
                }
            }
            let dir = self.place.run(&name, number);
            match launch::adopt(dir).await {
                Ok(launched) => self.take_launched(index, number, launched),
                Err(error) => self.lost(index, number, &error.to_string()),
            }
        }
    }

    fn former_end(&self, index: usize, name: &str, number: u32) -> Option<Ended> {
        let dir = self.place.run(name, number);
        let exit = dir.exit().ok().flatten()?;
        Some(self.end_of(index, number, &dir, &exit))
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
        tokio::select! {
            message = self.inbox.recv() => match message {
                Some(message) => self.take_message(message),
                // The node is letting go; it ends us at our next wait.
                None => std::future::pending().await,
            },
            Some(news) = self.watched.join_next() => {
                if let Ok(news) = news {
                    self.take_news(news);
                }
            }
            () = due => {}
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

    fn take_message(&mut self, message: Message) {
        match message {
            Message::Changed(pod) => self.take_in(pod),
            Message::Gone => {
                self.gone = true;
                self.state.orphan(Timestamp::now());
            }
        }
    }

    fn take_in(&mut self, pod: Object) {
        self.state.deadline = intake::deadline(&pod);
        if let Some(grace) = intake::deletion(&pod) {
            self.state.delete(grace, Timestamp::now());
        }
        self.pod = pod;
    }

    fn take_news(&mut self, (index, handle, news): Watched) {
        let number = self.number(index);
        match news {
            Ok(News::Started(start)) => {
                let id = self.id(index, number);
                self.state.started(index, id, start.started_at);
                self.watch(index, handle);
            }
            Ok(News::Ended(exit)) => {
                let ended = self.end_of(index, number, handle.dir(), &exit);
                self.state.ended(index, ended, Timestamp::now());
            }
            Ok(News::Lost) => {
                self.lost(index, number, "its shim was lost");
            }
            Err(error) => self.lost(index, number, &error.to_string()),
        }
    }

    fn watch(&mut self, index: usize, mut handle: ContainerHandle) {
        self.watched.spawn(async move {
            let news = handle.next().await;
            (index, handle, news)
        });
    }

    /// Nobody can tell how the container ended.
    fn lost(&mut self, index: usize, number: u32, why: &str) {
        tracing::warn!(pod = self.state.title, why, "a container was lost");
        let now = Timestamp::now();
        let began = self
            .state
            .containers
            .get(index)
            .and_then(|one| match &one.run {
                super::state::Run::Running { started_at, .. } => Some(*started_at),
                super::state::Run::Waiting(_) | super::state::Run::Ended(_) => None,
            });
        let ended = Ended {
            id: Some(self.id(index, number)),
            started_at: began,
            finished_at: Some(now),
            ..Ended::unknown()
        };
        self.state.ended(index, ended, now);
    }

    fn end_of(&self, index: usize, number: u32, dir: &ContainerDir, exit: &ExitRecord) -> Ended {
        let spec = self.spec(index);
        let (reason, message) = match (&exit.start_error, exit.exit_code) {
            (Some(why), _) => ("StartError", Some(why.clone())),
            (None, 0) => ("Completed", last_words::of(dir, spec, 0)),
            (None, code) => ("Error", last_words::of(dir, spec, code)),
        };
        Ended {
            exit_code: exit.exit_code,
            reason: reason.to_owned(),
            message,
            started_at: exit.started_at,
            finished_at: Some(exit.finished_at),
            id: Some(self.id(index, number)),
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
            Effect::Remove => self.remove(),
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

    async fn launch(&mut self, index: usize) {
        let number = self.place.newest_run(&self.name(index)).unwrap_or(0) + 1;
        let container = self.spec(index);
        let launch = Launch {
            shared: &self.shared,
            pod: &self.pod,
            container,
            place: &self.place,
            dir: self.place.run(&self.name(index), number),
            path: self.path(index),
            tries: self.tries.get(index).copied().unwrap_or_default(),
        };
        match launch.run().await {
            Ok(launched) => self.take_launched(index, number, launched),
            Err(Refusal::Wait {
                waiting,
                after,
                events,
            }) => {
                for (kind, reason, text) in events {
                    self.say_of(index, kind, reason, &text);
                }
                if let Some(tries) = self.tries.get_mut(index) {
                    *tries += 1;
                }
                let due = Timestamp::now() + after;
                self.state.refused(index, waiting, due);
            }
            Err(Refusal::Never { reason, message }) => {
                self.say_of(index, EventType::Warning, reason, &message);
                self.state.fail(reason, message, Timestamp::now());
            }
        }
    }

    fn take_launched(&mut self, index: usize, number: u32, launched: Launched) {
        let id = self.id(index, number);
        let Launched {
            handle,
            start,
            exit,
        } = launched;
        if let Some(start) = start {
            self.state.started(index, id, start.started_at);
        }
        match exit {
            Some(News::Ended(exit)) => {
                let ended = self.end_of(index, number, handle.dir(), &exit);
                self.state.ended(index, ended, Timestamp::now());
            }
            Some(News::Lost) => {
                self.lost(index, number, "its shim was lost");
            }
            Some(News::Started(_)) | None => self.watch(index, handle),
        }
    }

    fn order(&self, index: usize, order: fn(&ContainerDir) -> std::io::Result<()>) {
        let dir = self.place.run(&self.name(index), self.number(index));
        if let Err(error) = order(&dir) {
            tracing::warn!(%error, pod = self.state.title, "a container cannot be reached");
        }
    }

    /// Takes the pod's files away and lets its object go.
    fn remove(&mut self) {
        if let Err(error) = self.place.remove() {
            tracing::warn!(%error, pod = self.state.title, "files of a pod could not be removed");
        }
        self.removed = true;
        if self.gone {
            return;
        }
        let expected = Preconditions::uid(self.place.uid());
        let now = seconds(Timestamp::now());
        let marked = self
            .shared
            .objects
            .update(&self.key, expected.clone(), |pod| {
                if pod["metadata"]["deletionGracePeriodSeconds"] != 0 {
                    pod["metadata"]["deletionTimestamp"] = now;
                    pod["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                }
            });
        let removed = marked.and_then(|_| self.shared.objects.remove(&self.key, expected));
        self.note(removed);
    }

    /// Writes the status, if it is not what the API shows already.
    fn tell(&mut self) {
        if self.gone || self.removed || self.closed {
            return;
        }
        let expected = Preconditions::uid(self.place.uid());
        let (state, facts, now) = (&self.state, &self.shared.facts, Timestamp::now());
        let told = self.shared.objects.update(&self.key, expected, |pod| {
            status::write(pod, state, facts, now);
        });
        self.note(told);
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

    /// How events name the container.
    fn path(&self, index: usize) -> String {
        let member = match self.state.containers.get(index).map(|one| one.role) {
            Some(Role::Init | Role::Sidecar) => "initContainers",
            Some(Role::App) | None => "containers",
        };
        format!("spec.{member}{{{}}}", self.name(index))
    }

    fn name(&self, index: usize) -> String {
        let container = self.state.containers.get(index);
        container.map_or_else(String::new, |one| one.name.clone())
    }

    fn spec(&self, index: usize) -> &Value {
        match self.state.containers.get(index) {
            Some(container) => intake::spec_of(&self.pod, container),
            None => &Value::Null,
        }
    }

    /// The number of the container's newest run.
    fn number(&self, index: usize) -> u32 {
        let container = self.state.containers.get(index);
        container.map_or(1, |one| one.restarts + 1)
    }

    fn id(&self, index: usize, number: u32) -> String {
        self.place.id(&self.name(index), number)
    }
}

/// The key of a pod.
#[must_use]
pub fn key_of(pod: &Value) -> Option<ObjectKey> {
    ObjectKey::of(Resource::Pod, pod)
}
