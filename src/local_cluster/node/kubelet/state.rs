//! What the kubelet knows of one pod: plain data, no clock, no I/O.

use std::time::Duration;

use jiff::Timestamp;

/// What part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that goes on beside the others (`restartPolicy: Always`).
    Sidecar,
    /// One of `spec.containers`.
    App,
}

/// The pod's `restartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Start again whatever the exit code.
    Always,
    /// Start again after a non-zero exit code.
    OnFailure,
    /// Never start again.
    Never,
}

/// Why a container does not run yet, in the API's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// As in `ErrImagePull`.
    pub reason: String,
    /// A sentence, if there is more to say.
    pub message: Option<String>,
}

/// How one run of a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// 128 + signal for a death by signal.
    pub exit_code: i32,
    /// As in `Completed`.
    pub reason: String,
    /// Its last words.
    pub message: Option<String>,
    /// When it began; none if the container was never seen.
    pub started_at: Option<Timestamp>,
    /// When it ended; none if the container was never seen.
    pub finished_at: Option<Timestamp>,
    /// Its id; none if the container was never seen.
    pub id: Option<String>,
}

impl Ended {
    /// The end of a container that nobody can find.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            exit_code: 137,
            reason: "ContainerStatusUnknown".to_owned(),
            message: Some(
                "The container could not be located when the pod was terminated".to_owned(),
            ),
            started_at: None,
            finished_at: None,
            id: None,
        }
    }

    /// Whether this is [`Ended::unknown`].
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.id.is_none()
    }
}

/// Where a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Not started; without a reason of its own it waits for its turn.
    Waiting(Option<Waiting>),
    /// Running.
    Running {
        /// Its id.
        id: String,
        /// When its command was started.
        started_at: Timestamp,
    },
    /// Ended.
    Ended(Ended),
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its part.
    pub role: Role,
    /// Where it stands.
    pub run: Run,
    /// How its former run ended.
    pub last: Option<Ended>,
    /// How often it has been started again.
    pub restarts: u32,
    /// The id of the newest run.
    pub id: Option<String>,
    /// Not to be started before.
    pub due: Option<Timestamp>,
    /// How long it waits before the next start.
    pub delay: Duration,
    /// A new run of it was made and does not run yet.
    pub starting: bool,
    /// It was asked to end, and when it will be made to.
    pub stopping: Option<Timestamp>,
    /// It was made to end.
    pub killed: bool,
}

impl Container {
    /// A container that has not been started.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self {
            name: name.into(),
            role,
            run: Run::Waiting(None),
            last: None,
            restarts: 0,
            id: None,
            due: None,
            delay: Duration::ZERO,
            starting: false,
            stopping: None,
            killed: false,
        }
    }

    /// Whether there is anything of it that must end.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_running() || self.starting
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        match &self.run {
            Run::Ended(ended) => Some(ended),
            Run::Waiting(_) | Run::Running { .. } => None,
        }
    }

    /// Whether a command of it has ever been started.
    #[must_use]
    pub fn has_run(&self) -> bool {
        let began = |ended: &Ended| ended.started_at.is_some();
        self.is_running()
            || self.ended().is_some_and(began)
            || self.last.as_ref().is_some_and(began)
    }
}

/// Whether volumes and directories are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Not yet; to be tried at this moment.
    Missing {
        /// When to try.
        due: Timestamp,
        /// How long to wait after a failure.
        delay: Duration,
    },
    /// All is there.
    Ready,
}

/// Why a pod must end although its containers would go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// As in `DeadlineExceeded`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When containers that still run are made to end.
    pub kill_at: Timestamp,
}

/// That somebody wants the pod away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Since when the node knows.
    pub since: Timestamp,
    /// When containers that still run are made to end.
    pub kill_at: Timestamp,
}

/// What a pod has come to, as far as its containers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not all containers have been started.
    Pending,
    /// At least one runs or will again.
    Running,
    /// All ended well.
    Succeeded,
    /// All ended, not all of them well.
    Failed,
}

impl Outcome {
    /// Whether nothing can follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The API's word.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// All that the kubelet knows of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// `name_namespace(uid)`, as messages name a pod.
    pub title: String,
    /// When the kubelet first saw it.
    pub started: Timestamp,
    /// The pod's `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `terminationGracePeriodSeconds`.
    pub grace: Duration,
    /// `activeDeadlineSeconds`, from `started`.
    pub deadline: Option<Duration>,
    /// Volumes and directories.
    pub ground: Ground,
    /// Init containers in their order, then the others in theirs.
    pub containers: Vec<Container>,
    /// It must end.
    pub failure: Option<Failure>,
    /// It is to go.
    pub deletion: Option<Deletion>,
    /// Since when there is nothing left that runs or will.
    pub over_since: Option<Timestamp>,
    /// What containers run in is gone.
    pub torn_down: bool,
    /// The final phase has been told.
    pub settled: bool,
}

impl PodState {
    /// Whether containers must not be started any more.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.failure.is_some() || self.deletion.is_some()
    }

    /// Whether no container runs or is about to.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.containers.iter().any(Container::is_alive)
    }

    /// Whether an end of `container` with that code is not its last.
    #[must_use]
    pub fn will_restart(&self, container: &Container, exit_code: i32) -> bool {
        if self.is_stopping() {
            return false;
        }
        match (container.role, self.restart_policy) {
            (Role::Sidecar, _) => !self.is_done_but_for_sidecars(),
            (Role::Init, RestartPolicy::Never) => false,
            (Role::Init, _) => exit_code != 0,
            (Role::App, RestartPolicy::Always) => true,
            (Role::App, RestartPolicy::OnFailure) => exit_code != 0,
            (Role::App, RestartPolicy::Never) => false,
        }
    }

    /// Whether sidecars are all that is left, so that they may go.
    #[must_use]
    pub fn is_done_but_for_sidecars(&self) -> bool {
        self.outcome_of_mains().is_final()
    }

    /// What the pod has come to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mains = self.outcome_of_mains();
        if mains.is_final() && !self.is_quiet() {
            return match mains {
                Outcome::Failed if !self.of(Role::App).any(Container::has_run) => Outcome::Pending,
                Outcome::Pending | Outcome::Running | Outcome::Succeeded | Outcome::Failed => {
                    Outcome::Running
                }
            };
        }
        mains
    }

    /// The containers of one role, in the order of the spec.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(move |one| one.role == role)
    }

    fn outcome_of_mains(&self) -> Outcome {
        let mut pending = false;
        for container in self.of(Role::Init) {
            match container.ended() {
                Some(ended) if ended.exit_code == 0 => {}
                Some(ended) if !self.restarts_main(container, ended.exit_code) => {
                    return Outcome::Failed;
                }
                Some(_) | None => pending = true,
            }
        }
        pending |= self
            .of(Role::Sidecar)
            .any(|sidecar| !sidecar.has_run() && sidecar.ended().is_none());
        let fresh = |one: &Container| matches!(one.run, Run::Waiting(_)) && one.last.is_none();
        if pending || self.of(Role::App).any(fresh) {
            return Outcome::Pending;
        }
        let mut failed = false;
        for container in self.of(Role::App) {
            match &container.run {
                Run::Ended(ended) if self.restarts_main(container, ended.exit_code) => {
                    return Outcome::Running;
                }
                Run::Ended(ended) => failed |= ended.exit_code != 0,
                Run::Running { .. } | Run::Waiting(_) => return Outcome::Running,
            }
        }
        if failed {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        }
    }

    fn restarts_main(&self, container: &Container, exit_code: i32) -> bool {
        container.role != Role::Sidecar && self.will_restart(container, exit_code)
    }
}
