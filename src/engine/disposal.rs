//! Carrying out what is wished for a pod: delete it, or stop it and keep the object.

use std::time::Duration;

use crate::pod::client::{ApiError, ClusterClient, Connections};
use crate::pod::intent::nonce_of;
use crate::pod::lifecycle::{self, Stopping};
use crate::task::pods::{Disposal as Wish, DisposalAction, PodIdentity};

/// Disposes of pods on whichever cluster they are.
#[derive(Debug, Clone)]
pub struct Disposer {
    connections: Connections,
}

/// What trying to carry out a wish came to.
pub(super) enum Disposal {
    /// It holds.
    Done,
    /// Something outside is unwell.
    NotYet {
        /// What, in words.
        why: String,
        /// How long the other side asked to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Disposer {
    /// A disposer for pods on any of `connections`.
    #[must_use]
    pub fn new(connections: Connections) -> Self {
        Self { connections }
    }

    pub(super) async fn dispose(&self, wish: &Wish) -> Disposal {
        let client = match self.connections.client(&wish.connection).await {
            Ok(client) => client,
            Err(error) => {
                return Disposal::NotYet {
                    why: error.to_string(),
                    retry_after: None,
                };
            }
        };
        match carry_out(&client, wish).await {
            Ok(()) => Disposal::Done,
            Err(error) => Disposal::NotYet {
                why: error.to_string(),
                retry_after: error.retry_after(),
            },
        }
    }
}

async fn carry_out(client: &ClusterClient, wish: &Wish) -> Result<(), ApiError> {
    let Some(identity) = identify(client, wish).await? else {
        return Ok(());
    };
    match wish.action {
        DisposalAction::Delete => {
            lifecycle::delete(client, &identity, None).await?;
        }
        DisposalAction::Stop => match lifecycle::stop(client, &identity).await? {
            // Without a node there is no kubelet that could end it: only deletion stops it.
            Stopping::NotScheduled(_) => {
                lifecycle::delete(client, &identity, None).await?;
            }
            Stopping::Requested(_) | Stopping::AlreadyEnding(_) | Stopping::AlreadyGone => {}
        },
    }
    Ok(())
}

/// The pod that the wish is about; none when there is none, or the name is somebody else's.
async fn identify(client: &ClusterClient, wish: &Wish) -> Result<Option<PodIdentity>, ApiError> {
    let identity = |uid: String| PodIdentity {
        namespace: wish.namespace.clone(),
        name: wish.name.clone(),
        uid,
    };
    if let Some(uid) = &wish.uid {
        return Ok(Some(identity(uid.clone())));
    }
    // The create call was sent and its answer never seen: only the nonce tells whose pod it is.
    let found = lifecycle::get(client, &wish.namespace, &wish.name).await?;
    Ok(found
        .filter(|pod| nonce_of(pod) == Some(wish.nonce.as_str()))
        .and_then(|pod| pod.metadata.uid)
        .map(identity))
}
