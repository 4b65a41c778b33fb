//! Settings that are read again while `serve` works.

use super::error::{CliError, sentence};
use super::output::say;
use super::situation::Situation;
use super::{api, engine_room};
use crate::config::{Change, changes};
use crate::engine::Engine;
use crate::http::Server;
use crate::telemetry::Telemetry;

/// Reads the settings again, goes on with those that can be reloaded, and tells of each that is
/// another. When anything is wrong with them, nothing changes.
pub(super) fn reload(
    situation: &mut Situation,
    telemetry: &Telemetry,
    engine: &Engine,
    server: Option<&Server>,
) {
    match read(situation, telemetry) {
        Ok(changed) if changed.is_empty() => say("settings read again: nothing is another"),
        Ok(changed) => {
            situation.tell_live();
            engine.use_settings(engine_room::settings(&situation.config));
            if let Some(server) = server {
                server.use_settings(api::settings(&situation.config));
            }
            let count = changed.iter().filter(|change| change.reloadable).count();
            say(format!("settings read again: {count} are another"));
            for change in &changed {
                say(told(change));
            }
        }
        Err(error) => {
            say("the settings could not be read again, so nothing changes:");
            for line in error.lines() {
                say(format!("error: {line}"));
            }
        }
    }
}

/// The new settings are the situation's, once all of them are understood.
fn read(situation: &mut Situation, telemetry: &Telemetry) -> Result<Vec<Change>, CliError> {
    let config = situation.settings_again()?;
    let filter = telemetry
        .understand(&config.log)
        .map_err(|error| CliError::Usage(sentence(&error)))?;
    let changed = changes(&situation.config, &config);
    if config.log.level != situation.config.log.level {
        telemetry.tell(filter);
    }
    // What cannot be reloaded stays as it was at the start, so that it is told again next time.
    situation.config = situation.config.reloaded(config);
    Ok(changed)
}

fn told(change: &Change) -> String {
    let Change {
        name,
        values,
        reloadable,
    } = change;
    let now = match values {
        Some((before, after)) => format!("{name} is {after} now, it was {before}"),
        None => format!("{name} is another now"),
    };
    if !reloadable {
        return match values {
            Some((before, after)) => format!(
                "{name} is still {before}: {after} takes effect when serve is started again"
            ),
            None => format!("{name} takes effect when serve is started again"),
        };
    }
    if name == "level in [log]" && Telemetry::environment_decides() {
        return format!("{now}, but RUST_LOG goes before it");
    }
    now
}
