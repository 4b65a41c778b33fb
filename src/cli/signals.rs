//! Ctrl-C and SIGTERM: the first asks, the second insists. SIGHUP: read the settings again.

use std::io::{IsTerminal, stderr};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::CliError;

/// Listens from the moment it is made; before that, a signal ends the program at once.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, CliError> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
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

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Somebody wants the settings read again.
    ReadAgain,
    /// The terminal that the program was started in is gone.
    TerminalGone,
}

/// Listens for SIGHUP from the moment it is made; before that, it ends the program at once.
pub(super) struct Hangups {
    hangup: Signal,
    in_terminal: bool,
}

impl Hangups {
    pub(super) fn listen() -> Result<Self, CliError> {
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            in_terminal: stderr().is_terminal(),
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Hangup {
        let told = self.hangup.recv().await;
        // A terminal that hung up is none any more. No signal will come after none.
        if told.is_none() || (self.in_terminal && !stderr().is_terminal()) {
            Hangup::TerminalGone
        } else {
            Hangup::ReadAgain
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::Failed(format!("cannot listen for signals: {error}")))
}
