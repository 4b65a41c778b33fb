//! The node itself: its object, its scheduler, and one worker a pod.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::unistd::{getegid, geteuid};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch::Sender;
use tokio::task::{JoinError, JoinSet};

use super::config::NodeConfig;
use super::exec::{ExecRefusal, ExecRequest, ExecSession};
use super::kubelet::place::PodPlace;
use super::kubelet::shared::Shared;
use super::kubelet::simulation::Simulation;
use super::kubelet::status::NodeFacts;
use super::kubelet::worker::{Message, Worker};
use super::logs::{LogOptions, LogRefusal, LogStream};
use super::made_up::Story;
use super::registration::register;
use super::scheduler::{self, Scheduler};
use super::shim::dir::ContainerDir;
use super::shim::plan::Isolation;
use super::{exec, lease, logs, loss, probe, runtime};
use crate::local_cluster::objects::{EventKind, Object, ObjectKey, Objects, Resource};

/// How long containers get to vanish once they were killed.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a killed container.
const LOOK: Duration = Duration::from_millis(20);
/// Before a watch that fell behind is begun anew.
const PAUSE: Duration = Duration::from_millis(100);

/// A running node. Letting go of it leaves the containers running: a later node takes them up.
#[derive(Clone)]
pub struct Node {
    pub(super) shared: Arc<Shared>,
    pub(super) evictions: UnboundedSender<Eviction>,
    /// Aborted when the last handle is dropped.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Node {
    /// Starts a node: registers it in `objects`, takes up or ends the containers of an earlier
    /// one, and from then on runs every pod there.
    ///
    /// # Errors
    /// When the state directory cannot be used or the store cannot be written.
    pub async fn start(objects: Objects, mut config: NodeConfig) -> io::Result<Self> {
        fs::create_dir_all(&config.state_dir)?;
        config.state_dir = fs::canonicalize(&config.state_dir)?;
        if std::env::current_exe().is_ok_and(|own| own == config.program) {
            // Our file may be replaced by a newer one while we run; shims must be like us.
            config.program = PathBuf::from("/proc/self/exe");
        }
        let grounds = probe::probe(&config).await?;
        let user = match grounds.isolation {
            Isolation::Namespaces => (0, 0),
            Isolation::Plain => (geteuid().as_raw(), getegid().as_raw()),
        };
        let facts = NodeFacts {
            address: config.address.clone(),
            user,
        };
        let shared = Arc::new(Shared {
            objects,
            config,
            grounds,
            facts,
            loss: Sender::new(None),
        });
        register(&shared).map_err(io::Error::other)?;
        let mut tasks = JoinSet::new();
        let (evictions, ordered) = unbounded_channel();
        tasks.spawn(lease::keep(Arc::clone(&shared)));
        tasks.spawn(run_pods(Arc::clone(&shared), ordered));
        Ok(Self {
            shared,
            evictions,
            tasks: Arc::new(Mutex::new(tasks)),
        })
    }

    /// One sentence that tells how far containers are kept apart from the machine.
    #[must_use]
    pub fn isolation(&self) -> String {
        self.shared.grounds.sentence()
    }

    /// Ends the node and all its containers, at once.
    ///
    /// # Errors
    /// When containers are left that did not end.
    pub async fn shutdown(&self) -> io::Result<()> {
        let mut tasks = {
            let mut tasks = self
                .tasks
                .lock()
                .unwrap_or_else(|broken| broken.into_inner());
            std::mem::take(&mut *tasks)
        };
        tasks.shutdown().await;
        let places = PodPlace::all(&self.shared.config.state_dir)?;
        let runs: Vec<_> = places.iter().flat_map(PodPlace::all_runs).collect();
        end_all(&runs).await
    }

    /// The log of `container` of `pod`, whose object is as the caller has just read it. What the
    /// options may say together is not checked here.
    ///
    /// # Errors
    /// What the API answers instead of a log.
    pub fn logs(
        &self,
        pod: &Value,
        container: &str,
        options: &LogOptions,
    ) -> Result<LogStream, LogRefusal> {
        logs::open(&self.shared, pod, container, options)
    }

    /// Runs a command in `container` of `pod`, whose object is as the caller has just read it.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn exec(
        &self,
        pod: &Value,
        container: &str,
        request: &ExecRequest,
    ) -> Result<ExecSession, ExecRefusal> {
        exec::exec(&self.shared, pod, container, request, false)
    }

    /// Whether anything could be run in `container` of `pod`.
    ///
    /// # Errors
    /// Why not.
    pub fn check_exec(&self, pod: &Value, container: &str) -> Result<(), ExecRefusal> {
        exec::check(&self.shared, pod, container)
    }

    /// As [`Node::exec`], with a terminal: its output and error output are one stream.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub fn exec_on_terminal(
        &self,
        pod: &Value,
        container: &str,
        request: &ExecRequest,
    ) -> Result<ExecSession, ExecRefusal> {
        exec::exec(&self.shared, pod, container, request, true)
    }
}

/// Kills containers and waits until their shims are gone.
async fn end_all(runs: &[ContainerDir]) -> io::Result<()> {
    for run in runs {
        runtime::kill(run)?;
    }
    let gone = async {
        for run in runs {
            while run.shim_alive()? {
                runtime::kill(run)?;
                tokio::time::sleep(LOOK).await;
            }
            runtime::end_survivors(run);
        }
        Ok(())
    };
    match tokio::time::timeout(KILL_PATIENCE, gone).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("containers are left that do not end")),
    }
}

/// Everything that follows the pods: one watch feeds the scheduler and the workers.
async fn run_pods(shared: Arc<Shared>, evictions: UnboundedReceiver<Eviction>) {
    let mut orders = shared.loss.subscribe();
    let mut pods = Pods {
        scheduler: Scheduler::new(Arc::clone(&shared)),
        simulation: Simulation::new(Arc::clone(&shared)),
        shared,
        evictions,
        workers: HashMap::new(),
        tasks: JoinSet::new(),
    };
    loop {
        let loss = *orders.borrow_and_update();
        if let Some(loss) = loss {
            pods.let_go().await;
            loss::live_without(&pods.shared, loss, &mut orders).await;
            if !pods.shared.is_lost()
                && let Err(error) = register(&pods.shared)
            {
                tracing::error!(%error, "the node could not tell that it is back");
            }
            continue;
        }
        tokio::select! {
            () = pods.follow() => tokio::time::sleep(PAUSE).await,
            _ = orders.changed() => {}
        }
    }
}

/// A pod that is to be ended, and why.
pub(super) type Eviction = (String, String);

struct Pods {
    shared: Arc<Shared>,
    scheduler: Scheduler,
    evictions: UnboundedReceiver<Eviction>,
    simulation: Simulation,
    /// By uid.
    workers: HashMap<String, UnboundedSender<Message>>,
    tasks: JoinSet<Done>,
}

/// What a task of the node was for.
enum Done {
    /// To work for the pod of this uid; it is gone.
    Worker(String),
    /// To wait until this pod may be bound.
    Delay(ObjectKey),
}

impl Pods {
    /// Leaves everything as it is, for whoever takes it up later.
    async fn let_go(&mut self) {
        self.tasks.shutdown().await;
        self.workers.clear();
        self.simulation.clear();
        self.scheduler = Scheduler::new(Arc::clone(&self.shared));
    }

    /// Follows the pods until the watch has fallen behind.
    async fn follow(&mut self) {
        let (pods, version) = self.shared.objects.list(Resource::Pod, None);
        self.forget_missing(&pods).await;
        // One after the other: what is looked at has a tree, and there may be very many.
        for pod in pods {
            self.look_at(&pod, true);
        }
        let Ok(mut watch) = self.shared.objects.watch(Resource::Pod, Some(version)) else {
            return;
        };
        loop {
            tokio::select! {
                event = watch.next() => match event {
                    None => return,
                    Some(event) => match event.kind {
                        EventKind::Added => self.look_at(&event.object, true),
                        EventKind::Modified => self.look_at(&event.object, false),
                        EventKind::Deleted => {
                            let uid = uid_of(&event.object);
                            self.tell(&uid, Message::Gone);
                            self.scheduler.forget(&uid);
                        }
                    },
                },
                Some(done) = self.tasks.join_next() => self.take(done),
                Some((uid, why)) = self.evictions.recv() => self.tell(&uid, Message::Evict(why)),
                () = self.simulation.wait() => self.simulation.advance(),
            }
            // There may be news without end.
            tokio::task::consume_budget().await;
        }
    }

    /// Tells the workers of pods that are gone, and ends what is left of pods nobody knows.
    async fn forget_missing(&mut self, pods: &[Object]) {
        let known: HashSet<_> = pods.iter().map(uid_of).collect();
        for (uid, worker) in &self.workers {
            if !known.contains(uid.as_str()) {
                let _ = worker.send(Message::Gone);
            }
        }
        let simulated = self.simulation.uids().map(str::to_owned);
        let missing: Vec<_> = simulated.filter(|uid| !known.contains(&**uid)).collect();
        for uid in missing {
            self.simulation.tell(&uid, Message::Gone);
        }
        let places = PodPlace::all(&self.shared.config.state_dir).unwrap_or_default();
        for place in places {
            if known.contains(place.uid()) || self.workers.contains_key(place.uid()) {
                continue;
            }
            let ended = end_all(&place.all_runs()).await;
            if let Err(error) = ended.and_then(|()| place.remove()) {
                tracing::warn!(%error, uid = place.uid(), "a pod that is gone has left something");
            }
        }
    }

    fn take(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Worker(uid)) => {
                self.workers.remove(&uid);
            }
            Ok(Done::Delay(key)) => {
                let pod = self.shared.objects.get(&key);
                if let Some(pod) = pod.filter(|pod| scheduler::is_unscheduled(pod)) {
                    self.scheduler.schedule(&pod);
                }
            }
            Err(error) => tracing::error!(%error, "a task of the node has failed"),
        }
    }

    /// `new` tells that the pod has not been looked at before.
    fn look_at(&mut self, pod: &Object, new: bool) {
        let node = pod.text(&["spec", "nodeName"]).unwrap_or_default();
        if node.is_empty() && scheduler::is_unscheduled(pod) {
            // A pod that waits is scheduled again when there is room, or when it has changed.
            self.schedule(pod, new);
            return;
        }
        if node != self.shared.config.name {
            return;
        }
        let uid = uid_of(pod);
        self.scheduler.see(&uid, pod);
        if self.workers.contains_key(&*uid) || self.simulation.has(&uid) {
            self.tell(&uid, Message::Changed(pod.clone()));
            return;
        }
        let Some(key) = pod.key(Resource::Pod) else {
            return;
        };
        if self.shared.config.simulate {
            self.simulation.take_up(&uid, key, pod.packed());
            return;
        }
        let uid = uid.into_owned();
        let (sender, inbox) = unbounded_channel();
        let worker = Worker::new(Arc::clone(&self.shared), key, pod.packed(), inbox);
        self.workers.insert(uid.clone(), sender);
        self.tasks.spawn(async move {
            worker.run().await;
            Done::Worker(uid)
        });
    }

    fn schedule(&mut self, pod: &Object, new: bool) {
        let delay = if self.shared.config.simulate {
            Story::of(pod).schedule_delay
        } else {
            Duration::ZERO
        };
        match pod.key(Resource::Pod) {
            Some(_) if delay.is_zero() => self.scheduler.schedule(pod),
            Some(key) if new => {
                self.tasks.spawn(async move {
                    tokio::time::sleep(delay).await;
                    Done::Delay(key)
                });
            }
            Some(_) | None => {}
        }
    }

    fn tell(&mut self, uid: &str, message: Message) {
        if self.simulation.has(uid) {
            self.simulation.tell(uid, message);
        } else if let Some(worker) = self.workers.get(uid) {
            // A worker that has ended has nothing left to do for its pod.
            let _ = worker.send(message);
        }
    }
}

fn uid_of(pod: &Object) -> Cow<'_, str> {
    pod.text(&["metadata", "uid"]).unwrap_or_default()
}
