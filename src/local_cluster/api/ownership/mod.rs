//! Who owns which field of an object: what server-side apply needs to know.
//!
//! Owners are recorded in `metadata.managedFields` from the first apply on; an object that nobody
//! has ever applied carries no records. What was there before the first apply belongs to a manager
//! of its own, `before-first-apply`.

mod apply;
mod entries;
mod fields;
mod track;

pub(crate) use apply::{Applied, apply, first};
pub(crate) use track::track;
