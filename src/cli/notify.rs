//! Telling systemd how a service is, as `sd_notify` does.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service works.
pub(super) const READY: &str = "READY=1";
/// The service reads its settings again; [`READY`] says when that is done.
pub(super) const RELOADING: &str = "RELOADING=1";
/// The service is about to end.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Tells `state` to whoever started this process, if that wants to know.
pub(super) fn notify(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else {
        return;
    };
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&place),
    };
    let told = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager could not be told {state}");
    }
}
