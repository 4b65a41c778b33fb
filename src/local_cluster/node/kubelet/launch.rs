//! Starting one run of one container, up to the moment at which its command runs or has failed to.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::Value;

use super::last_words;
use super::place::PodPlace;
use super::preparation::{self, Refusal};
use super::shared::Shared;
use super::state::Waiting;
use crate::local_cluster::node::runtime::{ContainerHandle, News};
use crate::local_cluster::node::shim::dir::ContainerDir;
use crate::local_cluster::node::shim::plan::ContainerPlan;
use crate::local_cluster::objects::EventType;

/// How long a command may take to be started until the pod's worker turns to other things.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries after the machine itself was in the way.
const RETRY: Duration = Duration::from_secs(10);

/// A container that was made.
#[derive(Debug)]
pub struct Launched {
    /// Where further news come from.
    pub handle: ContainerHandle,
    /// Since when its command runs or ran; none if that is not known yet.
    pub start: Option<Timestamp>,
    /// That it has ended already.
    pub exit: Option<News>,
}

/// All that starting a container takes.
pub struct Launch<'a> {
    /// What all pods share.
    pub shared: &'a Shared,
    /// The pod.
    pub pod: &'a Value,
    /// The container's spec.
    pub container: &'a Value,
    /// Where the pod's files are.
    pub place: &'a PodPlace,
    /// The directory of this run.
    pub dir: ContainerDir,
    /// How events name the container.
    pub path: String,
    /// Failed tries of its image.
    pub tries: u32,
}

impl Launch<'_> {
    /// Starts it and waits for the first news.
    ///
    /// # Errors
    /// Why there is no container now.
    pub async fn run(self) -> Result<Launched, Refusal> {
        let Self {
            shared,
            pod,
            container,
            ..
        } = &self;
        preparation::image(shared, container, self.tries)?;
        let image = &container["image"];
        let text = format!("Container image {image} already present on machine");
        self.say(EventType::Normal, "Pulled", &text);
        let plan = preparation::plan(shared, pod, container, self.place, &self.dir)?;
        let launched = self.make(&plan).await;
        let handle = launched.map_err(|error| in_the_way(&error))?;
        self.say(EventType::Normal, "Created", "Container created");
        if let Some(asked) = preparation::ignored_user(shared, pod, container) {
            let text = format!(
                "runAsUser {asked} is ignored: containers of the local cluster run as the user \
                 who started it"
            );
            self.say(EventType::Warning, "RunAsUserIgnored", &text);
        }
        let first = first_news(handle).await;
        let first = first.map_err(|error| in_the_way(&error))?;
        match (&first.start, &first.exit) {
            (Some(_), _) => self.say(EventType::Normal, "Started", "Container started"),
            (None, Some(News::Ended(exit))) => {
                let why = exit.start_error.as_deref().unwrap_or_default();
                self.say(EventType::Warning, "Failed", &format!("Error: {why}"));
            }
            (None, _) => {}
        }
        Ok(first)
    }

    async fn make(&self, plan: &ContainerPlan) -> io::Result<ContainerHandle> {
        // What an earlier try has left was never a container.
        match std::fs::remove_dir_all(self.dir.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        last_words::make_room(&self.dir)?;
        let program = &self.shared.config.program;
        ContainerHandle::launch(program, self.dir.clone(), plan).await
    }

    fn say(&self, kind: EventType, reason: &str, text: &str) {
        self.shared
            .say(self.pod, Some(&self.path), kind, reason, text);
    }
}

/// Takes up a container of an earlier server: all that its files tell now.
///
/// # Errors
/// When its files are not readable.
pub async fn adopt(dir: ContainerDir) -> io::Result<Launched> {
    let mut launched = first_news(ContainerHandle::adopt(dir)?).await?;
    if launched.start.is_some() && launched.exit.is_none() {
        launched.exit = launched.handle.next().now_or_never().transpose()?;
    }
    Ok(launched)
}

async fn first_news(mut handle: ContainerHandle) -> io::Result<Launched> {
    let news = match tokio::time::timeout(PATIENCE, handle.next()).await {
        Ok(news) => Some(news?),
        Err(_) => None,
    };
    let (start, exit) = match news {
        Some(News::Started(start)) => (Some(start), None),
        Some(ended @ (News::Ended(_) | News::Lost)) => (None, Some(ended)),
        None => (None, None),
    };
    Ok(Launched {
        handle,
        start,
        exit,
    })
}

fn in_the_way(error: &io::Error) -> Refusal {
    let message = error.to_string();
    Refusal::Wait {
        events: vec![(EventType::Warning, "Failed", format!("Error: {message}"))],
        waiting: Waiting {
            reason: "CreateContainerError".to_owned(),
            message: Some(message),
        },
        after: RETRY,
    }
}
