//! The log on stderr, and what it is set up together with.

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

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

/// The program's log, once it tells.
#[derive(Debug)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    default_level: &'static str,
    #[cfg(feature = "otel")]
    traces: Option<super::traces::Traces>,
}

impl Telemetry {
    /// Whether `RUST_LOG` says what is told, whatever the settings say.
    #[must_use]
    pub fn environment_decides() -> bool {
        from_environment().is_some()
    }

    /// What settings ask for, to be told from [`Telemetry::tell`] on.
    ///
    /// # Errors
    /// [`TelemetryError::Directives`] for directives that cannot be understood.
    pub fn understand(&self, settings: &LogConfig) -> Result<EnvFilter, TelemetryError> {
        filter(settings, self.default_level)
    }

    /// Tells what `filter` lets through from now on.
    pub fn tell(&self, filter: EnvFilter) {
        // Where somebody else's subscriber tells, this one's is gone.
        let _ = self.filter.reload(filter);
    }

    /// Sends what has not been sent yet. To be called at the end, off the runtime's threads: it
    /// waits.
    pub fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}

/// Starts telling; needs a tokio runtime. `RUST_LOG` goes before the settings, and those before `default_level`.
///
/// # Errors
/// [`TelemetryError::Directives`] for directives that cannot be understood.
pub fn start(
    settings: &LogConfig,
    default_level: &'static str,
) -> Result<Telemetry, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(settings, default_level)?);
    let words = fmt::layer()
        .with_writer(io::stderr)
        // A stderr that takes nothing is told nothing else either: that would end the program.
        .log_internal_errors(false)
        .with_ansi(colours_wanted());
    let words = match settings.format {
        LogFormat::Text => words.boxed(),
        LogFormat::Json => words.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(words.with_filter(filter));
    #[cfg(feature = "otel")]
    let (registry, traces) = {
        let (layer, traces) = super::traces::from_environment().unzip();
        (registry.with(layer), traces)
    };
    // Somebody else's subscriber stays: only a program that embeds this one has set any.
    let _ = registry.try_init();
    Ok(Telemetry {
        filter: handle,
        default_level,
        #[cfg(feature = "otel")]
        traces,
    })
}

fn from_environment() -> Option<String> {
    std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.trim().is_empty())
}

fn filter(settings: &LogConfig, default_level: &str) -> Result<EnvFilter, TelemetryError> {
    let from_environment = from_environment();
    let (origin, directives) = match (&from_environment, &settings.level) {
        (Some(text), _) => ("RUST_LOG", text.as_str()),
        (None, Some(text)) => ("level in [log]", text.as_str()),
        (None, None) => ("the default level", default_level),
    };
    EnvFilter::builder()
        .parse(without_doubles(directives))
        .map_err(|_| TelemetryError::Directives {
            origin,
            directives: directives.to_owned(),
        })
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
