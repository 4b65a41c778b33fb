//! The cluster's one node: it runs the containers of pods as local processes.
//!
//! It reads pods from the object store and writes their status back, and knows nothing of HTTP.

mod entry;
mod shim;

pub use entry::entry;
