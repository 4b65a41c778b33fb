//! The triggers that an engine knows, by their kinds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Trigger;
use super::pod::{self, PodTriggers};
use super::time::{self, TimeTriggers};
use crate::clock::Clock;
use crate::task::deferral::TriggerSpec;

/// Builds triggers of one kind from what was stored.
pub trait TriggerKind: Send + Sync {
    /// The trigger that `spec` describes.
    ///
    /// # Errors
    /// [`TriggerUnusable`] when the stored row is not understood.
    fn build(&self, spec: &TriggerSpec, clock: &Clock)
    -> Result<Box<dyn Trigger>, TriggerUnusable>;
}

/// A stored trigger that cannot be watched. It stops no other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerUnusable {
    /// Nobody registered the kind.
    #[error("no trigger of kind {kind:?} is registered with this engine")]
    UnknownKind {
        /// The kind that was asked for.
        kind: String,
    },
    /// The row was written by a newer program.
    #[error("a {kind} trigger of version {found}; this program knows up to {known}")]
    NewerVersion {
        /// The trigger's kind.
        kind: String,
        /// The version of the row.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// The row does not make sense.
    #[error("a {kind} trigger that cannot be understood: {detail}")]
    BadKwargs {
        /// The trigger's kind.
        kind: String,
        /// What is wrong.
        detail: String,
    },
}

/// Which kinds of trigger there are.
#[derive(Clone, Default)]
pub struct Triggers(BTreeMap<String, Arc<dyn TriggerKind>>);

impl Triggers {
    /// The kinds that Adjourn brings along: pods and moments.
    #[must_use]
    pub fn built_in(pods: PodTriggers) -> Self {
        Self::default()
            .with(pod::KIND, Arc::new(pods))
            .with(time::KIND, Arc::new(TimeTriggers))
    }

    /// Adds a kind; a later one of the same name takes its place.
    #[must_use]
    pub fn with(mut self, name: &str, kind: Arc<dyn TriggerKind>) -> Self {
        self.0.insert(name.to_owned(), kind);
        self
    }

    /// The trigger that `spec` describes.
    ///
    /// # Errors
    /// [`TriggerUnusable`] when its kind is not known or its row not understood.
    pub fn build(
        &self,
        spec: &TriggerSpec,
        clock: &Clock,
    ) -> Result<Box<dyn Trigger>, TriggerUnusable> {
        self.0
            .get(&spec.kind)
            .ok_or_else(|| TriggerUnusable::UnknownKind {
                kind: spec.kind.clone(),
            })?
            .build(spec, clock)
    }
}
