//! What the value of a key may be, and reading it with every fault told.

use serde_json::{Map, Value};

use super::api_type::{core_type, read_object};
use super::choices::CallbackEvent;
use super::problem::{Problems, Stage, child, element, nearest, unknown_name};
use super::seconds;
use super::yaml::{Content, Entry, Node};
use crate::task::template::LogFormatter;

/// What the value of a key may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number in a range.
    Integer { min: i64, max: i64 },
    /// A length of time.
    Seconds,
    /// A list of texts.
    Texts,
    /// Free keys with scalar values, passed on as they are.
    Scalars,
    /// Free keys and values.
    FreeMap,
    /// An object of the Kubernetes API.
    Object(&'static str),
    /// A list of them.
    Objects(&'static str),
    /// Environment: a map of names to scalars, or a list of `EnvVar` objects.
    Environment,
    /// A container's name, a list of them, or `true` for all.
    Containers,
    /// Comma-separated names, or a list of `LocalObjectReference` objects.
    PullSecrets,
    /// An exit code or a list of them.
    ExitCodes,
    /// `true` (doubling) or the factor by which a delay grows.
    Backoff,
    /// A template for log lines.
    LineTemplate,
    /// Secrets as environment or volumes.
    Secrets,
    /// Registered names and web hooks.
    Callbacks,
}

const SECRET_KEYS: [&str; 5] = ["deploy_type", "deploy_target", "secret", "key", "items"];
const WEBHOOK_KEYS: [&str; 3] = ["url", "events", "headers"];

impl Kind {
    /// Reads `node`. The result is what the typed parameters are made from; it has no meaning if
    /// a problem was told.
    pub(crate) fn read(self, node: &Node, path: &str, problems: &mut Problems) -> Value {
        match (self, &node.content) {
            (Self::Word(words), Content::Text(text)) => {
                if !words.contains(&text.as_str()) {
                    let guess = nearest(text, words.iter().copied())
                        .map(|word| format!(", did you mean {word}?"))
                        .unwrap_or_default();
                    problems.push(
                        node.position,
                        path,
                        format!("must be one of {}{guess}", words.join(", ")),
                    );
                }
                node.to_value()
            }
            (Self::Integer { min, max }, Content::Number(number)) => {
                if !number.as_i64().is_some_and(|n| (min..=max).contains(&n)) {
                    problems.push(
                        node.position,
                        path,
                        format!("must be {}", integer_wanted(min, max)),
                    );
                }
                node.to_value()
            }
            (Self::Seconds, Content::Number(_) | Content::Text(_)) => {
                if let Some(length) = seconds::read(&node.to_value()) {
                    Value::Number(seconds::to_number(length))
                } else {
                    problems.push(node.position, path, format!("must be {}", seconds::WANTED));
                    Value::Null
                }
            }
            (Self::Texts, Content::List(items)) => each(items, path, |node, path| {
                Self::Text.read(node, path, problems)
            }),
            (Self::Scalars, Content::Mapping(entries)) => scalars(entries, path, problems),
            (Self::Object(name), _) => read_object(node, &core_type(name), path, problems),
            (Self::Objects(name), Content::List(items)) => {
                let name = core_type(name);
                each(items, path, |node, path| {
                    read_object(node, &name, path, problems)
                })
            }
            (Self::Environment, Content::Mapping(entries)) => scalars(entries, path, problems),
            (Self::Environment, Content::List(_)) => problems
                .at_stage(Stage::Parameters, |problems| {
                    Self::Objects("EnvVar").read(node, path, problems)
                }),
            (Self::Containers, Content::List(_)) => Self::Texts.read(node, path, problems),
            (Self::PullSecrets, Content::List(_)) => {
                Self::Objects("LocalObjectReference").read(node, path, problems)
            }
            (Self::ExitCodes, Content::List(items)) => each(items, path, |node, path| {
                // A null stands for a container without an exit code.
                if node.content == Content::Null {
                    Value::Null
                } else {
                    EXIT_CODE.read(node, path, problems)
                }
            }),
            (Self::ExitCodes, Content::Number(_)) => EXIT_CODE.read(node, path, problems),
            (Self::Backoff, Content::Boolean(flag)) => {
                if *flag {
                    2.into()
                } else {
                    0.into()
                }
            }
            (Self::Backoff, Content::Number(number)) => {
                if !number.as_f64().is_some_and(|factor| factor >= 0.0) {
                    problems.push(node.position, path, "must not be negative");
                }
                node.to_value()
            }
            (Self::Secrets, Content::List(items)) => {
                each(items, path, |node, path| secret(node, path, problems))
            }
            (Self::Callbacks, Content::List(items)) => {
                each(items, path, |node, path| callback(node, path, problems))
            }
            (Self::Callbacks, Content::Text(_) | Content::Mapping(_)) => {
                Value::Array(vec![callback(node, path, problems)])
            }
            (Self::LineTemplate, Content::Text(text)) => {
                if let Err(error) = LogFormatter::new(text) {
                    for (_, what) in error.failures {
                        let message = if what.ends_with("is not defined") {
                            format!("{what}; container and message are")
                        } else {
                            what
                        };
                        problems.push(node.position, path, message);
                    }
                }
                node.to_value()
            }
            (Self::Text | Self::Containers | Self::PullSecrets, Content::Text(_))
            | (Self::Boolean | Self::Containers | Self::ExitCodes, Content::Boolean(_))
            | (Self::FreeMap, Content::Mapping(_)) => node.to_value(),
            (
                Self::Text
                | Self::Word(_)
                | Self::Boolean
                | Self::Integer { .. }
                | Self::Seconds
                | Self::Texts
                | Self::Scalars
                | Self::FreeMap
                | Self::Objects(_)
                | Self::Environment
                | Self::Containers
                | Self::PullSecrets
                | Self::ExitCodes
                | Self::Backoff
                | Self::LineTemplate
                | Self::Secrets
                | Self::Callbacks,
                Content::Null
                | Content::Boolean(_)
                | Content::Number(_)
                | Content::Text(_)
                | Content::List(_)
                | Content::Mapping(_),
            ) => {
                problems.wrong_type(node, path, &self.wanted());
                Value::Null
            }
        }
    }

    /// What a message asks for.
    fn wanted(self) -> String {
        match self {
            Self::Text | Self::LineTemplate => "text".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } => integer_wanted(min, max),
            Self::Seconds => seconds::WANTED.to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Scalars | Self::FreeMap | Self::Object(_) => "a mapping".to_owned(),
            Self::Objects(name) => format!("a list of {name} objects"),
            Self::Environment => "a mapping of names to values, or a list of EnvVar objects".into(),
            Self::Containers => "a container's name, a list of names, or true for all".to_owned(),
            Self::PullSecrets => {
                "names separated by commas, or a list of objects with a name".to_owned()
            }
            Self::ExitCodes => "an exit code or a list of exit codes".to_owned(),
            Self::Backoff => "true, or the factor by which the delay grows".to_owned(),
            Self::Secrets => "a list of secrets, each with deploy_type and secret".to_owned(),
            Self::Callbacks => "a list of callback names and webhook objects".to_owned(),
        }
    }
}

const EXIT_CODE: Kind = Kind::Integer {
    min: i32::MIN as i64,
    max: i32::MAX as i64,
};

fn integer_wanted(min: i64, max: i64) -> String {
    match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (min, i64::MAX) => format!("a whole number of at least {min}"),
        (min, max) => format!("a whole number from {min} to {max}"),
    }
}

fn each(items: &[Node], path: &str, mut read: impl FnMut(&Node, &str) -> Value) -> Value {
    items
        .iter()
        .enumerate()
        .map(|(index, node)| read(node, &element(path, index)))
        .collect()
}

/// Values are passed on as they are; only what could never be one value is refused.
fn scalars(entries: &[Entry], path: &str, problems: &mut Problems) -> Value {
    let mut map = Map::new();
    for entry in entries {
        match entry.value.content {
            Content::Null | Content::Boolean(_) | Content::Number(_) | Content::Text(_) => {}
            Content::List(_) | Content::Mapping(_) => {
                problems.wrong_type(&entry.value, &child(path, &entry.key), "text");
            }
        }
        map.insert(entry.key.clone(), entry.value.to_value());
    }
    Value::Object(map)
}

/// Reads the members of a mapping of our own, telling unknown and missing ones.
fn members(
    node: &Node,
    path: &str,
    known: &[&str],
    required: &[&str],
    problems: &mut Problems,
    mut read: impl FnMut(&str, &Node, &str, &mut Problems) -> Value,
) -> Value {
    let Content::Mapping(entries) = &node.content else {
        problems.wrong_type(node, path, "a mapping");
        return Value::Null;
    };
    let mut map = Map::new();
    for entry in entries {
        let path = child(path, &entry.key);
        if !known.contains(&entry.key.as_str()) {
            problems.unknown(entry, path, "key", known.iter().copied());
        } else if entry.value.content != Content::Null {
            let value = read(&entry.key, &entry.value, &path, problems);
            map.insert(entry.key.clone(), value);
        }
    }
    for key in required {
        if !map.contains_key(*key) {
            problems.push(node.position, child(path, key), "is required here");
        }
    }
    Value::Object(map)
}

fn secret(node: &Node, path: &str, problems: &mut Problems) -> Value {
    let secret = members(
        node,
        path,
        &SECRET_KEYS,
        &["deploy_type", "secret"],
        problems,
        |key, node, path, problems| match key {
            "deploy_type" => Kind::Word(&["env", "volume"]).read(node, path, problems),
            "items" => Kind::Objects("KeyToPath").read(node, path, problems),
            _ => Kind::Text.read(node, path, problems),
        },
    );
    if secret.get("key").is_some() && secret.get("deploy_target").is_none() {
        problems.push(
            node.position,
            child(path, "deploy_target"),
            "is required where a key is given: the name of the variable that gets it",
        );
    }
    secret
}

fn callback(node: &Node, path: &str, problems: &mut Problems) -> Value {
    if let Content::Text(_) = node.content {
        return node.to_value();
    }
    members(
        node,
        path,
        &["webhook"],
        &["webhook"],
        problems,
        |_, node, path, problems| {
            members(
                node,
                path,
                &WEBHOOK_KEYS,
                &["url"],
                problems,
                |key, node, path, problems| match key {
                    "events" => {
                        let events = CallbackEvent::ALL.map(CallbackEvent::as_str);
                        webhook_events(node, path, &events, problems)
                    }
                    "headers" => headers(node, path, problems),
                    _ => Kind::Text.read(node, path, problems),
                },
            )
        },
    )
}

fn webhook_events(node: &Node, path: &str, events: &[&str], problems: &mut Problems) -> Value {
    let value = Kind::Texts.read(node, path, problems);
    if let Content::List(items) = &node.content {
        for (index, item) in items.iter().enumerate() {
            if let Content::Text(event) = &item.content
                && !events.contains(&event.as_str())
            {
                problems.push(
                    item.position,
                    element(path, index),
                    unknown_name("event", event, events.iter().copied()),
                );
            }
        }
    }
    value
}

fn headers(node: &Node, path: &str, problems: &mut Problems) -> Value {
    let Content::Mapping(entries) = &node.content else {
        problems.wrong_type(node, path, "a mapping");
        return Value::Null;
    };
    entries
        .iter()
        .map(|entry| {
            let value = Kind::Text.read(&entry.value, &child(path, &entry.key), problems);
            (entry.key.clone(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}
