//! Carrying out what is wished for a pod: delete it, stop it, or keep it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pod::client::{ApiError, ClusterClient, Connections};
use crate::pod::intent::nonce_of;
use crate::pod::lifecycle::{self, Deletion, Stopping};
use crate::pod::spec::ALREADY_CHECKED;
use crate::task::pods::{Disposal as Wish, DisposalAction, PodIdentity};

/// How often a pod is looked for whose creation was asked for and never confirmed.
const LOOKS_FOR_UNSEEN: u32 = 3;

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

    /// Carries out a wish; `attempts` is how often that was tried before.
    pub(super) async fn dispose(&self, wish: &Wish, attempts: u32) -> Disposal {
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
            Ok(Found::Nothing) if client.server() != wish.server => Disposal::NotYet {
                why: format!(
                    "the pod was created on {}, and the connection {} now leads to {}",
                    wish.server,
                    wish.connection.name,
                    client.server()
                ),
                retry_after: None,
            },
            // The create call may still be under way: a pod that is not there yet would live on.
            Ok(Found::Nothing) if wish.uid.is_none() && attempts < LOOKS_FOR_UNSEEN => {
                Disposal::NotYet {
                    why: "whether the pod was created is not known".to_owned(),
                    retry_after: None,
                }
            }
            Ok(Found::Nothing | Found::Pod) => Disposal::Done,
            Err(error) => Disposal::NotYet {
                why: error.to_string(),
                retry_after: error.retry_after(),
            },
        }
    }
}

/// Whether there was a pod to dispose of.
enum Found {
    Nothing,
    Pod,
}

async fn carry_out(client: &ClusterClient, wish: &Wish) -> Result<Found, ApiError> {
    let Some(identity) = identify(client, wish).await? else {
        return Ok(Found::Nothing);
    };
    match wish.action {
        DisposalAction::Delete => match lifecycle::delete(client, &identity, None).await? {
            Deletion::Requested(_) => {}
            Deletion::AlreadyGone => return Ok(Found::Nothing),
        },
        DisposalAction::Stop => match lifecycle::stop(client, &identity).await? {
            // Without a node there is no kubelet that could end it: only deletion stops it.
            Stopping::NotScheduled(_) => {
                lifecycle::delete(client, &identity, None).await?;
            }
            Stopping::Requested(_) | Stopping::AlreadyEnding(_) => {
                mark_checked(client, &identity).await?;
            }
            Stopping::AlreadyGone => return Ok(Found::Nothing),
        },
        DisposalAction::Keep => mark_checked(client, &identity).await?,
    }
    Ok(Found::Pod)
}

/// Labels a pod as dealt with, as the reference does, so that no search for a pod to go on with
/// finds it.
async fn mark_checked(client: &ClusterClient, identity: &PodIdentity) -> Result<(), ApiError> {
    let labels = BTreeMap::from([(ALREADY_CHECKED.to_owned(), Some("True".to_owned()))]);
    lifecycle::patch_labels(client, identity, &labels).await?;
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
