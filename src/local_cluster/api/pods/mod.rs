//! What the API server itself knows about pods: their defaults, what they must hold, what of
//! them may change, and how they are deleted.

pub(crate) mod defaults;
pub(crate) mod deletion;
mod quantity;
pub(crate) mod update;
pub(crate) mod validate;
