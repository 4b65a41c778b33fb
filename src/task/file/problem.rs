//! What is wrong with a task file: every fault at once, each with its place.

use std::fmt;

use super::yaml::{Content, Entry, Node, Position};

/// When a fault would show if the file were taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// While the parameters are read.
    Parameters,
    /// Only when the pod is made from them. It is told here already, with its place, unless a
    /// template may still change the value.
    Build,
}

/// One fault of a task file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, if the text is known.
    pub position: Option<Position>,
    /// The path of the value, such as `volumes[0].emptyDir`. Empty for the file as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// When it would show.
    pub stage: Stage,
    /// Whether it is a key that nothing knows.
    pub unknown_key: bool,
}

impl Problem {
    /// A fault without a path.
    pub(crate) fn new(
        position: Option<Position>,
        message: impl Into<String>,
        stage: Stage,
    ) -> Self {
        Self {
            position,
            path: String::new(),
            message: message.into(),
            stage,
            unknown_key: false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a task file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TaskFileErrors {
    /// The file's name, for the messages.
    pub origin: String,
    /// Its faults, in the order of the text.
    pub problems: Vec<Problem>,
}

impl fmt::Display for TaskFileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.position {
                Some(Position { line, column }) => {
                    write!(f, "{}:{line}:{column}: {problem}", self.origin)?;
                }
                None => write!(f, "{}: {problem}", self.origin)?,
            }
        }
        Ok(())
    }
}

/// How many faults are told of one file. Whoever has that many has one that repeats.
const MOST_TOLD: usize = 100;

/// Gathers the faults of one reading.
#[derive(Debug)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    /// How many there are, told or not.
    count: usize,
    stage: Stage,
}

impl Problems {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            found: Vec::new(),
            count: 0,
            stage,
        }
    }

    /// Counts a fault; whether it is to be told.
    fn is_told(&mut self) -> bool {
        self.count += 1;
        self.count <= MOST_TOLD
    }

    /// Whether so much is wrong that nothing more is told.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= MOST_TOLD
    }

    /// Runs `read` with another stage for what it finds.
    pub(crate) fn at_stage<T>(&mut self, stage: Stage, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.stage, stage);
        let result = read(self);
        self.stage = outer;
        result
    }

    pub(crate) fn push(
        &mut self,
        position: Option<Position>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        if self.is_told() {
            self.found.push(Problem {
                path: path.into(),
                ..Problem::new(position, message, self.stage)
            });
        }
    }

    /// A key that nothing knows.
    pub(crate) fn unknown<'a>(
        &mut self,
        entry: &Entry,
        path: impl Into<String>,
        what: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let message = if self.is_full() {
            // Looking for the nearest name takes its time, and nobody will read it.
            String::new()
        } else {
            unknown_name(what, &entry.key, known)
        };
        self.unknown_with(entry, path, message);
    }

    /// A key that nothing knows, in other words.
    pub(crate) fn unknown_with(
        &mut self,
        entry: &Entry,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        if self.is_told() {
            self.found.push(Problem {
                path: path.into(),
                unknown_key: true,
                ..Problem::new(entry.position, message, self.stage)
            });
        }
    }

    /// A value of the wrong type.
    pub(crate) fn wrong_type(&mut self, node: &Node, path: &str, wanted: &str) {
        let hint = match node.content {
            Content::Number(_) | Content::Boolean(_) if wanted == "text" => ": put it in quotes",
            Content::Text(ref text) if wanted == "true or false" => match text.as_str() {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "True" | "TRUE" => ": write true",
                "no" | "No" | "NO" | "off" | "Off" | "OFF" | "False" | "FALSE" => ": write false",
                "true" | "false" => ": write it without quotes",
                _ => "",
            },
            Content::Text(ref text) if wanted.contains("whole number") => {
                let digits = text.chars().all(|c| c.is_ascii_digit());
                match (digits, text.starts_with('0') && text.len() > 1) {
                    (true, true) => ": write an octal number as 0o644",
                    (true, false) => ": write it without quotes",
                    (false, _) => "",
                }
            }
            Content::Null
            | Content::Boolean(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::List(_)
            | Content::Mapping(_) => "",
        };
        self.push(
            node.position,
            path,
            format!("must be {wanted}, found {}{hint}", node.describe()),
        );
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The faults in the order of the text.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.position);
        if self.count > MOST_TOLD {
            let more = format!("and {} more faults", self.count - MOST_TOLD);
            self.found.push(Problem::new(None, more, self.stage));
        }
        self.found
    }
}

/// `parent.key`, with keys that would be misread in brackets and quotes.
pub(crate) fn child(parent: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (plain, parent.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{parent}.{key}"),
        (false, _) => format!("{parent}[{key:?}]"),
    }
}

/// `parent[index]`.
pub(crate) fn element(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The known name that a wrong one most likely stands for.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wrong_folded = folded(wrong);
    known
        .into_iter()
        .filter_map(|name| {
            let name_folded = folded(name);
            if name_folded == wrong_folded {
                return Some((0, name));
            }
            let distance = strsim::damerau_levenshtein(&wrong_folded, &name_folded);
            let allowed = (wrong_folded
                .chars()
                .count()
                .min(name_folded.chars().count())
                / 3)
            .max(1);
            (distance <= allowed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The words for a name that nothing knows.
pub(crate) fn unknown_name<'a>(
    what: &str,
    key: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(key, known) {
        Some(name) => format!("unknown {what}, did you mean {name}?"),
        None => format!("unknown {what}"),
    }
}
