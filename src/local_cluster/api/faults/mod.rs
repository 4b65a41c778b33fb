//! Faults on request, to try out what clients make of them.
//!
//! Only a server that was started with the `faults` setting has them; without it the paths here
//! are as unknown as any other. PUT sets all that is asked for, POST adds to it, GET shows what
//! holds, DELETE ends it all. What is asked for stays until it is replaced or used up.

mod answer;
mod cut;
mod orders;
mod standing;

pub(crate) use answer::respond;
pub(crate) use cut::{Cut, unless_cut};
pub(crate) use standing::{Faults, WatchOrders};

/// Where faults are asked for.
pub(crate) const PATH: &str = "__adjourn/faults";
