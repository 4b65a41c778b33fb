//! A worker's dealings with the containers of its pod.

use std::io;

use jiff::Timestamp;
use serde_json::Value;

use super::{Watched, Worker};
use crate::local_cluster::node::kubelet::launch::{self, Launch, Launched};
use crate::local_cluster::node::kubelet::preparation::Refusal;
use crate::local_cluster::node::kubelet::state::{Ended, Role, Run};
use crate::local_cluster::node::kubelet::{intake, last_words};
use crate::local_cluster::node::runtime::{ContainerHandle, News};
use crate::local_cluster::node::shim::dir::ContainerDir;
use crate::local_cluster::node::shim::plan::ExitRecord;
use crate::local_cluster::objects::EventType;

impl Worker {
    /// Takes up the containers that an earlier server started.
    pub(super) async fn adopt(&mut self) {
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
                Ok(launched) => {
                    if launched.start.is_none() && launched.exit.is_none() {
                        // Still starting: until then it has no run.
                        if let Some(container) = self.state.containers.get_mut(index) {
                            container.id = None;
                        }
                    }
                    self.take_launched(index, number, launched);
                }
                Err(error) => self.lost(index, number, &error.to_string()),
            }
        }
    }

    fn former_end(&self, index: usize, name: &str, number: u32) -> Option<Ended> {
        let dir = self.place.run(name, number);
        let exit = dir.exit().ok().flatten()?;
        Some(self.end_of(index, number, Some(&dir), &exit))
    }

    pub(super) fn take_news(&mut self, (index, handle, news): Watched) {
        let number = self.run_number(index);
        match news {
            Ok(News::Started(started_at)) => {
                let id = self.id(index, number);
                self.state.started(index, id, started_at);
                self.watch(index, handle);
            }
            Ok(News::Ended(exit)) => {
                let ended = self.end_of(index, number, Some(handle.dir()), &exit);
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
                Run::Running { started_at, .. } => Some(*started_at),
                Run::Waiting(_) | Run::Ended(_) => None,
            });
        let ended = Ended {
            id: Some(self.id(index, number)),
            started_at: began,
            finished_at: Some(now),
            ..Ended::unknown()
        };
        self.state.ended(index, ended, now);
    }

    fn end_of(
        &self,
        index: usize,
        number: u32,
        dir: Option<&ContainerDir>,
        exit: &ExitRecord,
    ) -> Ended {
        let words = dir.and_then(|dir| last_words::of(dir, self.spec(index), exit.exit_code));
        let (reason, message) = match (&exit.start_error, exit.exit_code) {
            (Some(why), _) => ("StartError", Some(why.clone())),
            (None, _) if exit.out_of_memory => ("OOMKilled", words),
            (None, 0) => ("Completed", words),
            (None, _) => ("Error", words),
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

    pub(super) async fn launch(&mut self, index: usize) {
        let number = self.next_number(index);
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
            Err(refusal) => self.take_refusal(index, refusal),
        }
    }

    fn take_refusal(&mut self, index: usize, refusal: Refusal) {
        match refusal {
            Refusal::Wait {
                waiting,
                after,
                events,
            } => {
                for (kind, reason, text) in events {
                    self.say_of(index, kind, reason, &text);
                }
                if let Some(tries) = self.tries.get_mut(index) {
                    *tries += 1;
                }
                let due = Timestamp::now() + after;
                self.state.refused(index, waiting, due);
            }
            Refusal::Never { reason, message } => {
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
            self.state.started(index, id, start);
        }
        match exit {
            Some(News::Ended(exit)) => {
                let ended = self.end_of(index, number, Some(handle.dir()), &exit);
                self.state.ended(index, ended, Timestamp::now());
            }
            Some(News::Lost) => {
                self.lost(index, number, "its shim was lost");
            }
            Some(News::Started(_)) | None => {
                if start.is_none() {
                    self.state.starting(index);
                }
                self.watch(index, handle);
            }
        }
    }

    pub(super) fn order(&self, index: usize, order: fn(&ContainerDir) -> io::Result<()>) {
        let dir = self.place.run(&self.name(index), self.run_number(index));
        if let Err(error) = order(&dir) {
            tracing::warn!(%error, pod = self.state.title, "a container cannot be reached");
        }
    }

    /// How events name the container.
    pub(super) fn path(&self, index: usize) -> String {
        let member = match self.state.containers.get(index).map(|one| one.role) {
            Some(Role::Init | Role::Sidecar) => "initContainers",
            Some(Role::App) | None => "containers",
        };
        format!("spec.{member}{{{}}}", self.name(index))
    }

    pub(super) fn name(&self, index: usize) -> String {
        let container = self.state.containers.get(index);
        container.map_or_else(String::new, |one| one.name.clone())
    }

    fn spec(&self, index: usize) -> &Value {
        match self.state.containers.get(index) {
            Some(container) => intake::spec_of(&self.pod, container),
            None => &Value::Null,
        }
    }

    /// The number of the run that is made or runs, or ran last.
    fn run_number(&self, index: usize) -> u32 {
        let container = self.state.containers.get(index);
        if container.is_some_and(|one| one.starting) {
            return self.next_number(index);
        }
        self.number(index)
    }

    /// The number of the next run.
    fn next_number(&self, index: usize) -> u32 {
        let container = self.state.containers.get(index);
        container.map_or(1, |one| one.restarts + 1 + u32::from(one.id.is_some()))
    }

    /// The number of the newest run that was started.
    fn number(&self, index: usize) -> u32 {
        let container = self.state.containers.get(index);
        container.map_or(1, |one| one.restarts + 1)
    }

    fn id(&self, index: usize, number: u32) -> String {
        self.place.id(&self.name(index), number)
    }
}
