//! How patient a watch is.

use std::time::Duration;

/// How a watch is kept alive.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// A watch that shows neither event nor bookmark for so long is opened again.
    pub silence: Duration,
    /// A server that is silent for so long at the beginning of a first watch, before it has told
    /// all that is there, cannot do that; it is asked for a list instead.
    pub first_silence: Duration,
    /// The shortest time between two verifications of one namespace.
    pub verify_every: Duration,
    /// How long the watch may take to show a pod that somebody waits for, before it is asked for
    /// by name.
    pub unseen_after: Duration,
    /// The shortest wait after a failure; it doubles with each.
    pub shortest_wait: Duration,
    /// The longest wait after a failure.
    pub longest_wait: Duration,
    /// After so long the whole list is read again, whatever the watch says: the last resort
    /// against a server whose versions went back.
    pub relist_every: Duration,
    /// How long the server is asked to keep one watch open.
    pub server_timeout: Duration,
    /// How long a watch goes on after its last waiter, and how long it is remembered what was
    /// last seen of a pod that is gone and that nobody waits for: a task that is resumed waits
    /// again a moment later.
    pub linger: Duration,
    /// Of how many such pods one watch remembers the last at most, the latest ones.
    pub remembered: usize,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(90),
            first_silence: Duration::from_secs(30),
            verify_every: Duration::from_secs(1),
            unseen_after: Duration::from_secs(3),
            shortest_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(30),
            relist_every: Duration::from_secs(30 * 60),
            server_timeout: Duration::from_secs(290),
            linger: Duration::from_secs(60),
            remembered: 4096,
        }
    }
}
