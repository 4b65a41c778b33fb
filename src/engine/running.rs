//! Starting and stopping an engine.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::disposal::Disposer;
use super::owner::{Owner, is_provably_dead, pid_of};
use super::settings::EngineSettings;
use super::{balance, janitor, retention, triggerer, worker};
use crate::clock::{Clock, Timestamp};
use crate::operator::Operators;
use crate::pod::client::Connections;
use crate::store::{EngineKind, EngineRow, Scope, Store, StoreError, StoredTrigger};
use crate::trigger::Triggers;
use crate::trigger::pod::PodTriggers;

/// What an engine is made of.
pub struct EngineOptions {
    /// Where everything that must survive is.
    pub store: Store,
    /// What tasks can do.
    pub operators: Operators,
    /// What tasks can wait for.
    pub triggers: Triggers,
    /// Who disposes of pods.
    pub disposer: Disposer,
    /// What time it is.
    pub clock: Clock,
    /// A daemon, or a `run` that works on its own tasks.
    pub kind: EngineKind,
    /// Which tasks it works on.
    pub scope: Scope,
    /// How it paces itself.
    pub settings: EngineSettings,
}

impl EngineOptions {
    /// An engine that works on every task of `store` as a daemon does: with the triggers that
    /// Adjourn brings along, pods on any of `connections`, the machine's clock and the usual pace.
    #[must_use]
    pub fn new(store: Store, operators: Operators, connections: Connections) -> Self {
        let pods = PodTriggers::new(connections.clone(), store.installation());
        Self {
            store,
            operators,
            triggers: Triggers::built_in(pods),
            disposer: Disposer::new(connections),
            clock: Clock::system(),
            kind: EngineKind::Serve,
            scope: Scope::All,
            settings: EngineSettings::default(),
        }
    }
}

/// What the parts of an engine share.
pub(super) struct Shared {
    pub store: Store,
    pub operators: Operators,
    pub triggers: Triggers,
    pub disposer: Disposer,
    pub clock: Clock,
    pub kind: EngineKind,
    pub scope: Scope,
    /// Replaced while the engine works; who acts on them for long listens.
    pub settings: watch::Sender<EngineSettings>,
    pub owner: Owner,
    /// Set when the engine is to let go.
    pub stopping: CancellationToken,
    /// Tells the triggerer what was just deferred here.
    pub deferred: mpsc::UnboundedSender<StoredTrigger>,
    /// How many daemons share the work, as far as this one knows.
    pub sharing: watch::Sender<usize>,
    /// Tells the triggerer that triggers of another engine are this one's now.
    pub adopted: Notify,
    /// Tells the janitor that a step may have left wishes about pods.
    pub wished: Notify,
}

impl Shared {
    /// The settings as they are now.
    pub(super) fn settings(&self) -> EngineSettings {
        *self.settings.borrow()
    }

    /// Whether this engine leaves the work to a daemon on the same store.
    pub(super) async fn yields(&self) -> bool {
        match self.kind {
            EngineKind::Serve => false,
            EngineKind::Run => matches!(
                live_daemon(&self.store, self.clock.now()).await,
                Ok(Some(_))
            ),
        }
    }
}

/// A running engine. Dropping it ends it at once, as a kill would: nothing is lost, but claims
/// stay until their leases end. [`Engine::stop`] is the good order.
pub struct Engine {
    shared: Arc<Shared>,
    parts: JoinSet<()>,
}

impl Engine {
    /// Starts the parts of an engine.
    ///
    /// # Errors
    /// What the store says to the first sign of life.
    pub async fn start(options: EngineOptions) -> Result<Self, StoreError> {
        let (deferred, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            store: options.store,
            operators: options.operators,
            triggers: options.triggers,
            disposer: options.disposer,
            clock: options.clock,
            kind: options.kind,
            scope: options.scope,
            settings: watch::Sender::new(options.settings),
            owner: Owner::this_process(),
            stopping: CancellationToken::new(),
            deferred,
            sharing: watch::Sender::new(1),
            adopted: Notify::new(),
            wished: Notify::new(),
        });
        janitor::sign_of_life(&shared).await?;
        // Before anything is watched or claimed: what a dead engine held is taken over now.
        janitor::take_over(&shared).await?;
        balance::take_share(&shared).await?;
        let mut parts = JoinSet::new();
        parts.spawn(triggerer::run(shared.clone(), queue));
        parts.spawn(worker::run(shared.clone()));
        parts.spawn(janitor::run(shared.clone()));
        parts.spawn(retention::run(shared.clone()));
        Ok(Self { shared, parts })
    }

    /// Goes on with other settings: steps that run are not disturbed, what begins from now on goes
    /// by the new ones. The lease stays as it is, since claims were made with it that must be
    /// renewed before it ends.
    pub fn use_settings(&self, settings: EngineSettings) {
        self.shared.settings.send_modify(|held| {
            *held = EngineSettings {
                lease: held.lease,
                ..settings
            };
        });
    }

    /// Waits until every task of the scope has ended and its pods are disposed of.
    ///
    /// # Errors
    /// What the store says.
    pub async fn idle(&self) -> Result<(), StoreError> {
        self.settled().await?;
        let mut changes = self.shared.store.changes();
        while self
            .shared
            .store
            .open_disposals(&self.shared.scope)
            .await?
            .0
            > 0
        {
            woken(&mut changes, &self.shared).await;
        }
        Ok(())
    }

    /// Waits until every task of the scope has ended.
    ///
    /// # Errors
    /// What the store says.
    pub async fn settled(&self) -> Result<(), StoreError> {
        let mut changes = self.shared.store.changes();
        while self.unsettled().await? {
            woken(&mut changes, &self.shared).await;
        }
        Ok(())
    }

    async fn unsettled(&self) -> Result<bool, StoreError> {
        self.shared.store.any_open(&self.shared.scope).await
    }

    /// Lets go in good order: claims are released, deferred tasks stay deferred, pods are left
    /// alone.
    pub async fn stop(mut self) {
        self.shared.stopping.cancel();
        while let Some(ended) = self.parts.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the engine broke");
            }
        }
        let owner = self.shared.owner.as_str();
        if let Err(error) = self.shared.store.engine_gone(owner).await {
            tracing::warn!(%error, "the store was not told that the engine is gone");
        }
    }
}

/// Waits for a change of the store, and a little at the most.
pub(super) async fn woken(changes: &mut watch::Receiver<u64>, shared: &Shared) {
    tokio::select! {
        changed = changes.changed() => {
            if changed.is_err() {
                // The store is closing; do not spin until the engine is told.
                tokio::time::sleep(shared.settings().look).await;
            }
        }
        () = tokio::time::sleep(shared.settings().look) => {}
    }
}

/// The daemons that work on `store`.
pub(super) async fn live_daemons(
    store: &Store,
    now: Timestamp,
) -> Result<Vec<EngineRow>, StoreError> {
    let mut engines = store.engines().await?;
    engines.retain(|engine| {
        engine.kind == EngineKind::Serve
            && engine.alive_until > now
            && !is_provably_dead(&engine.owner)
    });
    Ok(engines)
}

/// The daemon that works on `store`, if one is alive: its owner and its pid.
///
/// # Errors
/// What the store says.
pub async fn live_daemon(
    store: &Store,
    now: Timestamp,
) -> Result<Option<(String, Option<u32>)>, StoreError> {
    let alive = live_daemons(store, now).await?.into_iter().next();
    Ok(alive.map(|engine| {
        let pid = pid_of(&engine.owner);
        (engine.owner, pid)
    }))
}
