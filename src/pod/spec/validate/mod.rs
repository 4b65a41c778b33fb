//! What the API server would refuse about a built pod, told before anything is created.
//!
//! Knows the pod and nothing of the cluster. Building never fails over any of this: it is the
//! second of two steps.

mod check;
mod container;
mod pod;
mod syntax;

#[cfg(test)]
mod tests;

pub use check::Violation;
pub use pod::{doubts, validate};
