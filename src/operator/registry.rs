//! The operators that an engine knows, by their kinds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Operator;

/// Which operator runs a task of which kind.
#[derive(Clone, Default)]
pub struct Operators(BTreeMap<String, Arc<dyn Operator>>);

impl Operators {
    /// Adds an operator under its kind; a later one of the same kind takes its place.
    #[must_use]
    pub fn with(mut self, kind: &str, operator: Arc<dyn Operator>) -> Self {
        self.0.insert(kind.to_owned(), operator);
        self
    }

    /// The kinds that are known.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The operator of a kind.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<Arc<dyn Operator>> {
        self.0.get(kind).cloned()
    }
}
