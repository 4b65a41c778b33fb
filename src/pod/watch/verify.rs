//! Looks besides the watch: for ends that it has not told, and for pods that it cannot show.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use super::board::Origin;
use super::clock_steps::ClockSteps;
use super::counts::count;
use super::session::{PodPage, Session};
use crate::pod::client::{ApiError, ApiRequest};
use crate::pod::lifecycle::get_same;
use crate::pod::observe::observe;
use crate::task::pods::PodIdentity;

/// How many pods are asked for by name in one round.
const BY_NAME: usize = 200;

/// How many of these requests are under way at once.
const AT_ONCE: usize = 8;

/// Pods of a final phase: what is left out are those that may still change by themselves.
const ENDED: &str = "status.phase!=Running,status.phase!=Pending";

/// Waits until a moment has come; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// One namespace's verifier, to be run as a task.
pub(super) struct Verifier {
    session: Session,
}

impl Verifier {
    pub(super) fn new(session: &Session) -> Self {
        Self {
            session: session.clone(),
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let board = &self.session.board;
        let mut verified = Instant::now();
        let mut steps: Option<ClockSteps> = None;
        loop {
            let due = |every: Option<Duration>| every.map(|every| verified + every);
            tokio::select! {
                () = board.wake_verifier.notified() => {}
                () = until(due(board.rhythm())) => {}
            }
            match &mut steps {
                None => steps = board.clock().cloned().map(ClockSteps::new),
                Some(steps) => {
                    if steps.stepped() {
                        board.show_all_again();
                    }
                }
            }
            let began = Instant::now();
            let mut left_alone = Duration::ZERO;
            let is_due = due(board.rhythm()).is_some_and(|due| due <= began);
            if board.take_wish() || is_due {
                verified = began;
                if let Err(error) = self.verify().await {
                    count(&self.session.counters.errors);
                    tracing::debug!(%error, namespace = %self.session.namespace, "verification failed");
                    left_alone = error.retry_after().unwrap_or_default();
                }
            }
            let unseen = board.unseen(began - self.session.settings.unseen_after);
            let again = unseen.too_early || !unseen.pods.is_empty();
            self.look_for(unseen.pods).await;
            // A namespace in which a look takes long is looked at less often.
            let pause = self.session.settings.verify_every.max(began.elapsed() * 9);
            let pause = pause.saturating_sub(began.elapsed()).max(left_alone);
            tokio::time::sleep(pause).await;
            if again {
                board.wake_verifier.notify_one();
            }
        }
    }

    /// With the watch open, the ended pods are asked for: an end is all that a waiter must not
    /// miss, and a deletion that the watch has missed is told when it is opened again. While it
    /// cannot be opened, the whole list takes its place.
    async fn verify(&self) -> Result<(), ApiError> {
        let session = &self.session;
        if !session.board.may_be_trusted() {
            return session.list_all().await.map(drop);
        }
        if !session.board.is_synced() {
            // The first list is on its way.
            return Ok(());
        }
        count(&session.counters.requests);
        count(&session.counters.verifications);
        let asked = ApiRequest::get(
            ApiRequest::path(
                &["api", "v1", "namespaces", &session.namespace, "pods"],
                &[
                    ("labelSelector", session.selector.as_str()),
                    ("fieldSelector", ENDED),
                    ("resourceVersion", "0"),
                ],
            ),
            format!("list the ended pods of {}", session.namespace),
        );
        // Not repeated: the next tick asks again.
        let page: PodPage = session.client.read_once(&asked).await?;
        for pod in page.items.into_iter().flatten() {
            if session.board.apply(pod.into_observation(), Origin::Besides) {
                count(&session.counters.corrections);
            }
        }
        Ok(())
    }

    /// Asks by name for pods that the watch does not show: gone before it began, or with other
    /// labels.
    async fn look_for(&self, pods: Vec<PodIdentity>) {
        let session = &self.session;
        futures::stream::iter(pods.into_iter().take(BY_NAME))
            .for_each_concurrent(AT_ONCE, |pod| async move {
                count(&session.counters.requests);
                match get_same(&session.client, &pod).await {
                    Ok(Some(found)) => {
                        if session.board.apply(observe(&found), Origin::Besides) {
                            session.board.is_outside(&pod.uid);
                        }
                    }
                    Ok(None) => session.board.gone(&pod.uid),
                    Err(error) => {
                        count(&session.counters.errors);
                        tracing::debug!(%error, name = %pod.name, "cannot look for a pod");
                    }
                }
            })
            .await;
    }
}
