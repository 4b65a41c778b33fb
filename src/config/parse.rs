//! Text and environment into settings.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::known::{CONNECTION, CONNECTIONS, Kind, SETTINGS, of_section, sections};
use super::problem::{ConfigErrors, ConfigProblem, nearest, unknown};
use super::settings::Config;

/// What every environment variable of a setting begins with.
const PREFIX: &str = "ADJOURN_";

/// The settings that a file (its name and its text) and the environment ask for.
///
/// # Errors
/// Everything that is wrong with the file, or with the environment.
pub fn from_sources(
    file: Option<(&str, &str)>,
    environment: &BTreeMap<String, String>,
) -> Result<Config, ConfigErrors> {
    let mut tree = Map::new();
    if let Some((origin, text)) = file {
        tree = Reading::new(text).file(origin)?;
    }
    overlay(&mut tree, environment)?;
    serde_json::from_value(Value::Object(tree)).map_err(|error| ConfigErrors {
        origin: file.map_or("environment", |(origin, _)| origin).to_owned(),
        problems: vec![ConfigProblem {
            position: None,
            message: error.to_string(),
        }],
    })
}

/// Variables that set nothing but look as if they were meant to: their names, with the name that
/// was probably meant.
#[must_use]
pub fn misspelt_variables(environment: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let known: Vec<String> = SETTINGS
        .iter()
        .map(|setting| variable(setting.section, setting.key))
        .chain(["DB", "CONFIG", "SERVER", "TOKEN"].map(|name| format!("{PREFIX}{name}")))
        .collect();
    environment
        .keys()
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name))
        .filter_map(|name| {
            let near = nearest(name, known.iter().map(String::as_str))?;
            // The common beginning must not make everything look alike.
            let distance = strsim::damerau_levenshtein(name, near);
            (distance <= 2).then(|| (name.clone(), near.to_owned()))
        })
        .collect()
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{section}_{key}").to_uppercase()
}

fn overlay(
    tree: &mut Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<(), ConfigErrors> {
    let mut problems = Vec::new();
    let mut put =
        |tree: &mut Map<String, Value>, path: &[&str], kind: Kind, name: &str, text: &str| {
            match kind.read(text) {
                Ok(value) => insert(tree, path, value),
                Err(message) => problems.push(ConfigProblem {
                    position: None,
                    message: format!("{name} {message}"),
                }),
            }
        };
    for setting in &SETTINGS {
        let name = variable(setting.section, setting.key);
        if let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) {
            let path = [setting.section, setting.key];
            put(tree, &path, setting.kind, &name, text);
        }
    }
    for (name, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
        if let Some((connection, key, kind)) = connection_variable(name, tree) {
            put(tree, &[CONNECTIONS, &connection, key], kind, name, text);
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ConfigErrors {
            origin: "environment".to_owned(),
            problems,
        })
    }
}

/// Which setting of which connection a variable such as `ADJOURN_CONNECTIONS_PROD_NAMESPACE`
/// stands for. The case of the name comes from the file, if it names the connection.
fn connection_variable(
    name: &str,
    tree: &Map<String, Value>,
) -> Option<(String, &'static str, Kind)> {
    let rest = name
        .strip_prefix(PREFIX)?
        .strip_prefix("CONNECTIONS_")?
        .to_lowercase();
    // `prod_kube_config_path` also ends in a shorter key, were there one: the longest counts.
    let (key, kind) = CONNECTION
        .iter()
        .filter(|(key, _)| rest.ends_with(&format!("_{key}")))
        .max_by_key(|(key, _)| key.len())?;
    let connection = rest.get(..rest.len() - key.len() - 1)?;
    let spelt = tree
        .get(CONNECTIONS)
        .and_then(Value::as_object)
        .and_then(|named| {
            named
                .keys()
                .find(|known| known.to_lowercase() == connection)
        })
        .map_or(connection, String::as_str);
    (!spelt.is_empty()).then(|| (spelt.to_owned(), *key, *kind))
}

fn insert(tree: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        tree.insert((*first).to_owned(), value);
        return;
    }
    let below = tree
        .entry(*first)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        insert(below, rest, value);
    }
}

/// One reading of a file.
struct Reading<'a> {
    text: &'a str,
    problems: Vec<(usize, String)>,
}

impl<'a> Reading<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            problems: Vec::new(),
        }
    }

    fn file(mut self, origin: &str) -> Result<Map<String, Value>, ConfigErrors> {
        let mut tree = Map::new();
        match DeTable::parse(self.text) {
            Ok(table) => self.sections(table.get_ref(), &mut tree),
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                self.problems.push((start, error.message().to_owned()));
            }
        }
        if self.problems.is_empty() {
            return Ok(tree);
        }
        self.problems.sort();
        let problems = self
            .problems
            .iter()
            .map(|(start, message)| ConfigProblem {
                position: Some(position(self.text, *start)),
                message: message.clone(),
            })
            .collect();
        Err(ConfigErrors {
            origin: origin.to_owned(),
            problems,
        })
    }

    fn tell(&mut self, at: &Range<usize>, message: String) {
        self.problems.push((at.start, message));
    }

    fn sections(&mut self, table: &DeTable<'_>, tree: &mut Map<String, Value>) {
        for (name, value) in table {
            let section: &str = name.get_ref();
            if !sections().any(|known| known == section) {
                let message = match nearest(section, sections()) {
                    Some(near) => format!("[{section}] is no section, did you mean [{near}]?"),
                    None => unknown("section", section, sections()),
                };
                self.tell(&name.span(), message);
                continue;
            }
            let DeValue::Table(inside) = value.get_ref() else {
                self.tell(
                    &name.span(),
                    format!("{section} is a section: write [{section}]"),
                );
                continue;
            };
            if section == CONNECTIONS {
                self.connections(inside, tree);
            } else {
                self.settings(inside, section, tree);
            }
        }
    }

    fn settings(&mut self, table: &DeTable<'_>, section: &str, tree: &mut Map<String, Value>) {
        let known: Vec<(&str, Kind)> = of_section(section)
            .map(|setting| (setting.key, setting.kind))
            .collect();
        self.keys(table, &[section], &known, tree);
    }

    fn connections(&mut self, table: &DeTable<'_>, tree: &mut Map<String, Value>) {
        for (name, value) in table {
            let connection: &str = name.get_ref();
            match value.get_ref() {
                DeValue::Table(inside) => {
                    insert(tree, &[CONNECTIONS, connection], Value::Object(Map::new()));
                    self.keys(inside, &[CONNECTIONS, connection], &CONNECTION, tree);
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => self.tell(
                    &name.span(),
                    format!(
                        "a connection is a section of its own: write [connections.{connection}]"
                    ),
                ),
            }
        }
    }

    fn keys(
        &mut self,
        table: &DeTable<'_>,
        path: &[&str],
        known: &[(&str, Kind)],
        tree: &mut Map<String, Value>,
    ) {
        for (name, value) in table {
            let key: &str = name.get_ref();
            let Some((_, kind)) = known.iter().find(|(known, _)| *known == key) else {
                let what = format!("setting of [{}]", path.join("."));
                let names = known.iter().map(|(name, _)| *name);
                self.tell(&name.span(), unknown(&what, key, names));
                continue;
            };
            let found = plain(value);
            match kind.check(&found) {
                Ok(()) => insert(tree, &[path, &[key]].concat(), found),
                Err(message) => self.tell(&value.span(), format!("{key} {message}")),
            }
        }
    }
}

/// A TOML value as JSON. Moments are texts there.
fn plain(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Boolean(switch) => Value::from(*switch),
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(items) => items.iter().map(plain).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(name, value)| (name.get_ref().clone().into_owned(), plain(value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
