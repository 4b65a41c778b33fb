//! What is another between two readings of the settings.

use serde::Serialize;
use serde_json::Value;

use super::known::SETTINGS;
use super::settings::Config;

/// One setting, or one connection, that has another value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name, as `slots in [worker]` or `[connections.prod]`.
    pub name: String,
    /// What it was and what it is, where that may be shown: what a connection says may be a secret.
    pub values: Option<(String, String)>,
    /// Whether a daemon that works goes on with it; otherwise it takes effect at the next start.
    pub reloadable: bool,
}

/// What is another in `new` than in `old`, in the order of the documentation.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let (before, after) = (tree(old), tree(new));
    let settings = SETTINGS.iter().filter_map(|setting| {
        let at = |tree: &Value| tree[setting.section][setting.key].clone();
        let (before, after) = (at(&before), at(&after));
        (before != after).then(|| Change {
            name: format!("{} in [{}]", setting.key, setting.section),
            values: Some((told(&before), told(&after))),
            reloadable: setting.reloadable,
        })
    });
    let mut names: Vec<&String> = old.connections.keys().collect();
    names.extend(new.connections.keys());
    names.sort_unstable();
    names.dedup();
    let connections = names
        .into_iter()
        .filter(|name| old.connections.get(*name) != new.connections.get(*name))
        .map(|name| Change {
            name: format!("[connections.{name}]"),
            values: None,
            reloadable: true,
        });
    settings.chain(connections).collect()
}

fn tree(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::from_sources;
    use crate::config::known::Setting;

    fn read(text: &str) -> Config {
        from_sources(Some(("adjourn.toml", text)), &BTreeMap::new()).unwrap()
    }

    #[test]
    fn what_is_another_is_told_with_what_it_was() {
        let old = read("[worker]\nslots = 4\n[connections.a]\nnamespace = \"x\"\n");
        let new = read(
            "[worker]\nslots = 5\n[http]\nlisten = \"none\"\n[connections.b]\nnamespace = \"x\"\n",
        );
        let told: Vec<_> = changes(&old, &new)
            .into_iter()
            .map(|change| (change.name, change.values, change.reloadable))
            .collect();
        let values = |before: &str, after: &str| Some((before.to_owned(), after.to_owned()));
        assert_eq!(
            told,
            [
                ("slots in [worker]".to_owned(), values("4", "5"), true),
                (
                    "listen in [http]".to_owned(),
                    values("not set", "\"none\""),
                    false
                ),
                ("[connections.a]".to_owned(), None, true),
                ("[connections.b]".to_owned(), None, true),
            ]
        );
        assert_eq!(changes(&old, &old), []);
    }

    #[test]
    fn what_takes_effect_at_the_next_start_stays_and_everything_else_is_taken() {
        let old = Config::default();
        let new = read(
            "[store]\npath = \"b.db\"\n\
             [worker]\nslots = 9\nlease_seconds = 9\nlook_milliseconds = 900\n\
             shutdown_grace_seconds = 9\nmax_active_pods = 9\npods_per_second = 9\n\
             [janitor]\ndisposals = 9\nretention_days = 9\n\
             [task_log]\nmax_bytes = 9\nread_bytes = 9\n\
             [templates]\nallowed_env = [\"A\"]\n\
             [log]\nlevel = \"debug\"\nformat = \"json\"\n\
             [http]\nlisten = \"none\"\ntokens_file = \"t\"\ntls_cert = \"c\"\ntls_key = \"k\"\n\
             requests_per_second = 9\nmax_body_bytes = 9000\nrequest_timeout_seconds = 9\n\
             allowed_hosts = [\"a\"]\n\
             [local_cluster]\ndir = \"d\"\n\
             [connections.a]\nnamespace = \"x\"\n",
        );
        let changed = changes(&old, &new);
        assert_eq!(changed.len(), SETTINGS.len() + 1, "a value for every one");
        let left = changes(&old.reloaded(new.clone()), &new);
        let fixed = changed.into_iter().filter(|change| !change.reloadable);
        assert_eq!(left, fixed.collect::<Vec<_>>());
    }

    /// The names that stand in backquotes in a row of the table about SIGHUP.
    fn names(row: &str) -> Vec<&str> {
        let cell = row.split('|').nth(1).unwrap();
        cell.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_documents_say_which_settings_wait_for_the_next_start() {
        let listed = include_str!("../../config/adjourn.toml");
        let operations = include_str!("../../docs/operations.md");
        let rows: Vec<&str> = operations
            .lines()
            .filter(|line| line.starts_with("| `["))
            .collect();
        for setting in SETTINGS {
            let Setting { section, key, .. } = setting;
            let part = listed.split(&format!("\n[{section}]\n")).nth(1).unwrap();
            let place = part
                .find(&format!("\n{key} = "))
                .or_else(|| part.find(&format!("\n# {key} = ")));
            let comment = part[..place.unwrap()].lines().next_back().unwrap();
            let waits = comment.contains("Takes effect when serve starts.");
            assert_ne!(waits, setting.reloadable, "config/adjourn.toml: {key}");

            let section = format!("[{section}]");
            let mut told = rows.iter().filter(|row| {
                // One row may tell of several sections, each before its keys.
                let mut at = "";
                names(row).into_iter().any(|name| {
                    if name.starts_with('[') {
                        at = name;
                    }
                    at == section && name == key
                })
            });
            let row = told.next().unwrap_or_else(|| panic!("{key} in {section}"));
            let waits = row.split('|').nth(2).unwrap().contains("at the next start");
            assert_ne!(waits, setting.reloadable, "docs/operations.md: {key}");
            assert_eq!(told.next(), None, "{key} in {section} is told of twice");
        }
    }

    #[test]
    fn every_setting_is_found_where_it_stands() {
        let tree = tree(&Config::default());
        for setting in SETTINGS {
            assert!(
                tree[setting.section].get(setting.key).is_some(),
                "{} in [{}]",
                setting.key,
                setting.section
            );
        }
    }
}
