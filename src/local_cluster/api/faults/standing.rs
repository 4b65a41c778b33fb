//! The faults that a server has at a time.

use std::sync::{Mutex, PoisonError};

use http::Method;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::PATH;
use super::orders::{Fault, Rule};
use crate::local_cluster::api::target::Target;

/// What open watches are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WatchOrders {
    pub silent: bool,
    /// Rises each time that open watches are cut.
    pub cuts: u64,
    /// Rises each time that open watches are told to begin anew.
    pub expiries: u64,
}

/// The faults of a server.
pub(crate) struct Faults {
    allowed: bool,
    rules: Mutex<Vec<Rule>>,
    watches: watch::Sender<WatchOrders>,
}

impl Faults {
    pub fn new(allowed: bool) -> Self {
        Self {
            allowed,
            rules: Mutex::new(Vec::new()),
            watches: watch::Sender::new(WatchOrders::default()),
        }
    }

    /// What open watches are told, from now on.
    pub fn watch_orders(&self) -> watch::Receiver<WatchOrders> {
        self.watches.subscribe()
    }

    /// What goes wrong with this request; each rule is drawn for itself, the first that hits
    /// counts.
    pub fn draw(
        &self,
        method: &Method,
        target: &Target,
        path: &str,
        watching: bool,
    ) -> Option<Fault> {
        if !self.allowed || path.trim_matches('/') == PATH {
            return None;
        }
        let verb = target.verb(method, watching);
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = rules.iter_mut().find(|rule| {
            (rule.verbs.is_empty() || rule.verbs.iter().any(|one| one == verb))
                && path.contains(&rule.path)
                && rule.times != Some(0)
                && rand::rng().random::<f64>() < rule.share
        })?;
        if let Some(times) = &mut hit.times {
            *times -= 1;
        }
        Some(hit.fault.clone())
    }

    /// Whether faults can be asked for.
    pub fn allowed(&self) -> bool {
        self.allowed
    }

    /// Puts `rules` in the place of all that there are.
    pub(super) fn set(&self, rules: Vec<Rule>) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Adds rules after those that there are.
    pub(super) fn add(&self, rules: Vec<Rule>) {
        let mut all = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(rules);
    }

    /// Changes what open watches are told.
    pub fn tell_watches(&self, change: impl FnOnce(&mut WatchOrders)) {
        self.watches.send_modify(change);
    }

    /// What holds. Rules that are used up do not.
    pub fn shown(&self) -> Value {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.times != Some(0)).collect();
        json!({"rules": rules, "silent_watches": self.watches.borrow().silent})
    }
}

#[cfg(test)]
mod tests {
    use super::super::orders::{Orders, Told};
    use super::*;

    fn target() -> Target {
        Target::parse("/api/v1/namespaces/n/pods").unwrap()
    }

    #[test]
    fn a_rule_hits_what_it_names_and_as_often_as_it_says() {
        let faults = Faults::new(true);
        let orders = br#"{"rules": [
            {"verbs": ["create"], "path": "/pods", "times": 1, "fault": {"status": 503}},
            {"verbs": ["list"], "share": 0, "fault": "cut"}
        ]}"#;
        let orders: Orders = serde_json::from_slice(orders).unwrap();
        faults.set(orders.rules);
        let draw = |method: Method, path: &str| faults.draw(&method, &target(), path, false);
        assert_eq!(draw(Method::GET, "/api/v1/namespaces/n/pods"), None);
        assert_eq!(draw(Method::POST, "/other"), None);
        assert_eq!(
            draw(Method::POST, "/api/v1/namespaces/n/pods"),
            Some(Fault::Status(Told::Code(503)))
        );
        assert_eq!(draw(Method::POST, "/api/v1/namespaces/n/pods"), None);
    }
}
