//! Which settings there are, and which values they take.

use serde_json::Value;

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// Text that is not empty.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Texts.
    Texts,
    /// True or false.
    Switch,
    /// An object, or its text.
    Object,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// Whether a daemon that reads its settings again goes on with another value.
    pub(super) reloadable: bool,
}

const fn setting(section: &'static str, key: &'static str, kind: Kind) -> Setting {
    Setting {
        section,
        key,
        kind,
        reloadable: true,
    }
}

/// A setting that takes effect only when a daemon starts.
const fn fixed(section: &'static str, key: &'static str, kind: Kind) -> Setting {
    Setting {
        reloadable: false,
        ..setting(section, key, kind)
    }
}

/// A number of seconds that nobody means to exceed: a year.
const LONGEST: u64 = 366 * 24 * 60 * 60;

/// A number of bytes that nobody means to exceed: a tebibyte.
const MOST_BYTES: u64 = 1 << 40;

/// Every setting but those of connections.
pub(super) const SETTINGS: [Setting; 23] = [
    fixed("store", "path", Kind::Text),
    setting("worker", "slots", Kind::Number(1, 10_000)),
    fixed("worker", "lease_seconds", Kind::Number(1, LONGEST)),
    setting("worker", "look_milliseconds", Kind::Number(10, 60_000)),
    setting("worker", "shutdown_grace_seconds", Kind::Number(0, LONGEST)),
    setting("worker", "max_active_pods", Kind::Number(0, 1_000_000)),
    setting("worker", "pods_per_second", Kind::Number(0, 10_000)),
    setting("janitor", "disposals", Kind::Number(1, 10_000)),
    setting("janitor", "retention_days", Kind::Number(0, 36_600)),
    setting("task_log", "max_bytes", Kind::Number(0, MOST_BYTES)),
    setting("task_log", "read_bytes", Kind::Number(0, MOST_BYTES)),
    setting("templates", "allowed_env", Kind::Texts),
    setting("log", "level", Kind::Text),
    fixed("log", "format", Kind::Word(&["text", "json"])),
    fixed("http", "listen", Kind::Text),
    fixed("http", "tokens_file", Kind::Text),
    fixed("http", "tls_cert", Kind::Text),
    fixed("http", "tls_key", Kind::Text),
    setting("http", "requests_per_second", Kind::Number(0, 1_000_000)),
    setting("http", "max_body_bytes", Kind::Number(1024, 1 << 30)),
    setting("http", "request_timeout_seconds", Kind::Number(1, 3600)),
    setting("http", "allowed_hosts", Kind::Texts),
    fixed("local_cluster", "dir", Kind::Text),
];

/// The section whose parts are sections of their own.
pub(super) const CONNECTIONS: &str = "connections";

/// What may be said about a connection.
pub(super) const CONNECTION: [(&str, Kind); 12] = [
    ("in_cluster", Kind::Switch),
    ("kube_config_path", Kind::Text),
    ("kube_config", Kind::Object),
    ("cluster_context", Kind::Text),
    ("namespace", Kind::Text),
    ("verify_ssl", Kind::Switch),
    ("request_timeout_seconds", Kind::Number(1, LONGEST)),
    ("requests_at_once", Kind::Number(1, 10_000)),
    ("log_reads_at_once", Kind::Number(1, 10_000)),
    ("xcom_sidecar_container_image", Kind::Text),
    ("xcom_sidecar_container_resources", Kind::Object),
    ("xcom_sidecar_container_security_context", Kind::Object),
];

/// The sections, each once.
pub(super) fn sections() -> impl Iterator<Item = &'static str> + Clone {
    let mut last = "";
    let mut names: Vec<&str> = SETTINGS
        .iter()
        .map(|setting| setting.section)
        .filter(|section| std::mem::replace(&mut last, section) != *section)
        .collect();
    names.push(CONNECTIONS);
    names.into_iter()
}

/// The settings of a section.
pub(super) fn of_section(section: &str) -> impl Iterator<Item = &'static Setting> + Clone {
    SETTINGS
        .iter()
        .filter(move |setting| setting.section == section)
}

impl Kind {
    /// Whether `value` will do; otherwise what would.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let fits = match self {
            Self::Number(least, most) => value
                .as_u64()
                .is_some_and(|number| (least..=most).contains(&number)),
            Self::Text => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
            Self::Texts => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Switch => value.is_boolean(),
            Self::Object => value.is_object() || value.is_string(),
        };
        if fits {
            Ok(())
        } else {
            Err(format!("must be {}, not {}", self.wanted(), shown(value)))
        }
    }

    /// The value that the text of an environment variable stands for.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Number(..) => text
                .trim()
                .parse::<u64>()
                .map_or_else(|_| Value::from(text), Value::from),
            Self::Switch => match text.trim() {
                "true" | "1" | "yes" => Value::from(true),
                "false" | "0" | "no" => Value::from(false),
                other => Value::from(other),
            },
            Self::Texts => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .collect(),
            Self::Object => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
            Self::Text | Self::Word(_) => Value::from(text),
        };
        self.check(&value).map(|()| value)
    }

    fn wanted(self) -> String {
        match self {
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Text => "a text that is not empty".to_owned(),
            Self::Word(words) => words.join(" or "),
            Self::Texts => "a list of texts".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Object => "a table, or a text with an object in it".to_owned(),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
