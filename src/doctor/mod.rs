//! The doctor: what is wrong with an installation, why, what to do about it, and the mending of
//! what can be mended without a risk.
//!
//! `judge` looks at the database alone and is pure; `cluster` holds the pods that the cluster has
//! against those on record; `examine` asks both and says what it could not ask; `mend` does what
//! a finding says is safe. What a live engine is about to do anyway is no finding.
//!
//! Works beside a live engine: the database is read in one transaction, and what the cluster
//! seems to contradict is looked at twice.

mod cluster;
mod examine;
mod finding;
mod judge;
mod mend;

pub use examine::Doctor;
pub use finding::{Finding, FindingKind, Report};
