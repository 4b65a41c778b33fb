//! What this program says about itself, on stderr: never a container's output, never a secret.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives make no sense.
    #[error(
        "{origin} is {directives:?}, which says no level: give error, warn, info, debug or trace, or directives such as adjourn=debug"
    )]
    Directives {
        /// Where they stand.
        origin: &'static str,
        /// What they say.
        directives: String,
    },
}

/// Starts telling. `RUST_LOG` goes before the settings, and those before `default_level`.
///
/// # Errors
/// [`TelemetryError::Directives`] for directives that cannot be understood.
pub fn start(settings: &LogConfig, default_level: &str) -> Result<(), TelemetryError> {
    let from_environment = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.trim().is_empty());
    let (origin, directives) = match (&from_environment, &settings.level) {
        (Some(text), _) => ("RUST_LOG", text.as_str()),
        (None, Some(text)) => ("level in [log]", text.as_str()),
        (None, None) => ("the default level", default_level),
    };
    let filter = EnvFilter::builder()
        .parse(without_doubles(directives))
        .map_err(|_| TelemetryError::Directives {
            origin,
            directives: directives.to_owned(),
        })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours_wanted());
    // Somebody else's subscriber stays: only a program that embeds this one has set any.
    let _ = match settings.format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    Ok(())
}

/// The client library tells every failed request once more, as an error, although whether it is one
/// is for its caller to say. It is heard only where somebody asks for it.
fn without_doubles(directives: &str) -> String {
    if directives.contains("kube") {
        directives.to_owned()
    } else {
        format!("{directives},kube_client::client::builder=off")
    }
}

fn colours_wanted() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}
