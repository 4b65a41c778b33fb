//! The cluster's objects: one versioned store that the API server and the node share.
//!
//! Objects are whole API objects as JSON, written once for all who send them. Every change gets the
//! next resource version, is written to a journal before it is answered, and reaches each watch
//! exactly once and in order. The store knows what an object's metadata means (uid, resource version, finalizers) and nothing about
//! pods: defaults and validation belong to the API, the life of a pod belongs to the node.

mod error;
mod history;
mod identity;
mod journal;
mod member;
mod moment;
mod narrow;
mod object;
mod record;
mod resource;
mod state;
mod store;
mod watch;

pub use error::ObjectError;
pub use moment::{now, now_micros};
pub use narrow::Narrow;
pub use object::Object;
pub use record::{EventSource, EventType};
pub use resource::{ObjectKey, Resource};
pub use store::{Objects, Preconditions};
pub use watch::{EventKind, ObjectEvent, ObjectWatch};
