//! One watch for all who wait for a pod.
//!
//! A [`PodWatchHub`] keeps one watch per cluster and namespace, however many tasks wait in it,
//! and closes it a while after its last [`Subscription`]: a task that is resumed for its newest
//! logs waits again a moment later, and must not cost a list each time. For as long it is
//! remembered what was last seen of a pod that is gone. A subscription sees the newest observation of its
//! pod, never a queue of old ones, so it cannot lag. A pod that is gone is seen as such, with the
//! last that was known of it: a terminal status is not lost with its object.
//!
//! The watch is never trusted blindly: it is opened again from its last version when it ends, breaks
//! or is silent; what cannot be continued is listed again, and pods that are missing from a list are
//! gone. A waiter may ask for a verification; however many ask, it is one request a second.
//!
//! Knows nothing of tasks and triggers. Invariant: what a waiter sees never goes back in time.

mod board;
mod counts;
mod hub;
mod session;
mod settings;
mod slot;
mod stream;
mod verify;

pub use counts::WatchCounts;
pub use hub::{PodWatchHub, Subscription};
pub use settings::WatchSettings;
