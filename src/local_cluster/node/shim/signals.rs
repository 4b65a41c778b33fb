//! Giving a new program a clean slate of signals.

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

/// Sets every signal to its default and blocks none. Whoever started the cluster in the background
/// of a script has made it ignore some, which would be passed on: a shell in a container could then
/// not trap them.
///
/// # Errors
/// When the mask cannot be set.
pub fn reset() -> nix::Result<()> {
    for one in Signal::iterator() {
        // Two of them cannot be changed, and need not be.
        #[allow(unsafe_code, reason = "the default disposition runs no code of ours")]
        let _ = unsafe { signal(one, SigHandler::SigDfl) };
    }
    SigSet::empty().thread_set_mask()
}
