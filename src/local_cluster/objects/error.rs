//! Why the store refuses.

use std::io;

use super::ObjectKey;

/// A refusal of the store.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("{0} not found")]
    NotFound(ObjectKey),
    /// An object of that name exists.
    #[error("{key} already exists")]
    AlreadyExists {
        /// The name that is taken.
        key: ObjectKey,
        /// The one that holds the name is on its way out.
        being_deleted: bool,
    },
    /// The object is not in the state that the caller expected.
    #[error("{key}: expected {field} {expected}, found {found}")]
    Conflict {
        /// The object.
        key: ObjectKey,
        /// `uid` or `resourceVersion`.
        field: &'static str,
        /// What the caller expected.
        expected: String,
        /// What the object has.
        found: String,
    },
    /// The history does not reach back that far.
    #[error("too old resource version: {requested} ({oldest})")]
    Expired {
        /// The version that was asked for.
        requested: u64,
        /// The oldest version that a watch can start from.
        oldest: u64,
    },
    /// The JSON is not an object with a name.
    #[error("not an API object: {0}")]
    Malformed(&'static str),
    /// The journal could not be read or written. Nothing was changed.
    #[error("the cluster's journal: {0}")]
    Storage(#[from] io::Error),
}
