//! The callbacks that a program has registered, and what it allows them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::change::PodMutationHook;
use super::post::Post;
use super::webhook::Webhook;
use super::{PodCallbacks, alone::Fault};
use crate::task::file::{Callback, PodParameters};

/// How long callbacks may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackLimits {
    /// One call of a registered callback, and all tries of a webhook together.
    pub callback: Duration,
    /// One request of a webhook.
    pub webhook_request: Duration,
    /// How often a webhook is tried for one event.
    pub webhook_tries: u32,
}

impl Default for CallbackLimits {
    fn default() -> Self {
        Self {
            callback: Duration::from_secs(30),
            webhook_request: Duration::from_secs(5),
            webhook_tries: 3,
        }
    }
}

/// What a program has registered.
#[derive(Clone, Default)]
pub struct Registered {
    callbacks: BTreeMap<String, Arc<dyn PodCallbacks>>,
    hook: Option<PodMutationHook>,
    limits: CallbackLimits,
    post: Post,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("callbacks", &self.callbacks.keys())
            .field("hook", &self.hook.is_some())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Whom a task tells.
#[derive(Clone)]
pub enum Listener {
    /// A callback of the program's.
    Registered {
        /// Its name.
        name: String,
        /// What is called.
        callbacks: Arc<dyn PodCallbacks>,
        /// Only log lines: it is the task's `progress_callback`.
        lines_alone: bool,
    },
    /// A web server.
    Webhook(Box<Webhook>),
}

impl Registered {
    pub(in crate::operator) fn add(&mut self, name: &str, callbacks: Arc<dyn PodCallbacks>) {
        self.callbacks.insert(name.to_owned(), callbacks);
    }

    pub(in crate::operator) fn set_hook(&mut self, hook: PodMutationHook) {
        self.hook = Some(hook);
    }

    pub(in crate::operator) fn set_limits(&mut self, limits: CallbackLimits) {
        self.limits = limits;
    }

    pub(in crate::operator) fn hook(&self) -> Option<&PodMutationHook> {
        self.hook.as_ref()
    }

    pub(super) fn limits(&self) -> CallbackLimits {
        self.limits
    }

    /// Whom a task wants to be told; and what it names that cannot be used.
    pub(in crate::operator) fn listeners(
        &self,
        file: &PodParameters,
    ) -> (Vec<Listener>, Vec<String>) {
        let mut listeners = Vec::new();
        let mut faults = Vec::new();
        for (index, callback) in file.callbacks.iter().enumerate() {
            match callback {
                Callback::Registered(name) => match self.find(name, false) {
                    Ok(listener) => listeners.push(listener),
                    Err(fault) => faults.push(format!("callbacks[{index}]: {fault}")),
                },
                Callback::Webhook { webhook } => {
                    match Webhook::new(webhook, &self.post, self.limits) {
                        Ok(webhook) => listeners.push(Listener::Webhook(Box::new(webhook))),
                        Err(fault) => faults.push(format!("callbacks[{index}]: {fault}")),
                    }
                }
            }
        }
        let listens = |wanted: &str| {
            file.callbacks
                .iter()
                .any(|callback| matches!(callback, Callback::Registered(name) if name == wanted))
        };
        // Whoever is told of everything hears the lines already.
        if let Some(name) = file
            .progress_callback
            .as_ref()
            .filter(|name| !listens(name))
        {
            match self.find(name, true) {
                Ok(listener) => listeners.push(listener),
                Err(fault) => faults.push(format!("progress_callback: {fault}")),
            }
        }
        (listeners, faults)
    }

    fn find(&self, name: &str, lines_alone: bool) -> Result<Listener, String> {
        let Some(callbacks) = self.callbacks.get(name) else {
            let known = if self.callbacks.is_empty() {
                "it has none; the built-in one is `webhook: {url: ...}`".to_owned()
            } else {
                let names: Vec<&str> = self.callbacks.keys().map(String::as_str).collect();
                format!("it has {}", names.join(", "))
            };
            return Err(format!(
                "no callback {name:?} is registered with this program: {known}"
            ));
        };
        Ok(Listener::Registered {
            name: name.to_owned(),
            callbacks: callbacks.clone(),
            lines_alone,
        })
    }
}

impl Listener {
    /// What it is called in a log.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Registered { name, .. } => format!("callback {name}"),
            Self::Webhook(webhook) => webhook.place(),
        }
    }
}

/// A listener that did not do as it should: for the log.
pub(super) fn complaint(listener: &Listener, event: impl fmt::Display, fault: &Fault) -> String {
    format!("{}, {event}: {fault}", listener.title())
}
