//! Ctrl-C and SIGTERM: the first asks, the second insists.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CliError;

/// Listens from the moment it is made; before that, a signal ends the program at once.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, CliError> {
        let told =
            |error: std::io::Error| CliError::Failed(format!("cannot listen for signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(told)?,
            terminate: signal(SignalKind::terminate()).map_err(told)?,
        })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
