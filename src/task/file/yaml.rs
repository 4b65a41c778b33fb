//! YAML or JSON text into a tree that remembers where each key and value stands.
//!
//! YAML 1.2: `yes` and `on` are text. A number with a leading zero (`0644`) stays text, because
//! its writer may have meant octal; where a number is wanted, that is an error and no guess. A key
//! twice in one mapping is an error.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use super::limits;
use super::yaml_words::words;

/// Where something stands in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// A value and where it stands. A tree made from a plain value has no positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What stands there.
    pub content: Content,
    /// Where, if the tree was read from a text.
    pub position: Option<Position>,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, as text.
    pub key: String,
    /// Where the key stands.
    pub position: Option<Position>,
    /// The value.
    pub value: Node,
}

/// A text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong with it.
    pub message: String,
    /// Where, if that is known.
    pub position: Option<Position>,
}

/// Reads every document of `text`. A text with nothing in it has none.
///
/// # Errors
/// The first place where the text is not YAML.
pub fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    if let Some(message) = limits::too_large(text.len()) {
        return Err(SyntaxError {
            message,
            position: None,
        });
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        leading_zero_numbers_as_strings: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_depth: limits::DEEPEST,
            max_documents: limits::MOST_TASKS,
            max_nodes: limits::MOST_VALUES,
            max_events: 2 * limits::MOST_VALUES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits::MOST_REPEATED,
        },
    };
    let documents: Vec<Spanned<Tree>> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| {
            let plain = error.without_snippet();
            SyntaxError {
                position: plain.location().and_then(position),
                message: words(plain),
            }
        })?;
    Ok(documents.into_iter().map(node).collect())
}

impl Node {
    /// A tree without positions.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(flag) => Content::Boolean(*flag),
            Value::Number(number) => Content::Number(number.clone()),
            Value::String(text) => Content::Text(text.clone()),
            Value::Array(items) => Content::List(items.iter().map(Self::from_value).collect()),
            Value::Object(map) => Content::Mapping(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        position: None,
                        value: Self::from_value(value),
                    })
                    .collect(),
            ),
        };
        Self {
            content,
            position: None,
        }
    }

    /// The tree without its positions.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Boolean(flag) => Value::Bool(*flag),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Mapping(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The kind of value, as a message names it. Never the value itself: it may be a secret.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Boolean(true) => "true",
            Content::Boolean(false) => "false",
            Content::Number(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }
}

fn position(location: Location) -> Option<Position> {
    (location.line() > 0).then(|| Position {
        line: location.line(),
        column: location.column(),
    })
}

fn node(tree: Spanned<Tree>) -> Node {
    let content = match tree.value {
        Tree::Null => Content::Null,
        Tree::Boolean(flag) => Content::Boolean(flag),
        Tree::Number(number) => Content::Number(number),
        Tree::Text(text) => Content::Text(text),
        Tree::List(items) => Content::List(items.into_iter().map(node).collect()),
        Tree::Mapping(entries) => Content::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.value,
                    position: position(key.referenced),
                    value: node(value),
                })
                .collect(),
        ),
    };
    Node {
        content,
        position: position(tree.referenced),
    }
}

/// The tree as serde hands it over.
enum Tree {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Mapping(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Boolean(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Tree, E> {
        Number::from_f64(number)
            .map(Tree::Number)
            .ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Mapping(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        let documents = documents(text).unwrap();
        assert_eq!(documents.len(), 1, "{text}");
        documents[0].to_value()
    }

    #[test]
    fn scalars_follow_yaml_1_2() {
        assert_eq!(
            one(
                "a: yes\nb: on\nc: 010\nd: 1:30\ne: ~\nf:\ng: true\nh: 1.5\ni: '7'\nj: 0x10\nk: 2026-01-02\nl: 12345678901234567890\nm: |\n  x\n  y\n"
            ),
            json!({"a": "yes", "b": "on", "c": "010", "d": "1:30", "e": null, "f": null, "g": true,
                "h": 1.5, "i": "7", "j": 16, "k": "2026-01-02", "l": 12_345_678_901_234_567_890_u64, "m": "x\ny\n"})
        );
    }

    #[test]
    fn json_with_tabs_is_read_too() {
        assert_eq!(
            one("{\n\t\"a\": [1, {\"b\": null}],\n\t\"c\": \"\\u00e9/\\/\"\n}\n"),
            json!({"a": [1, {"b": null}], "c": "é//"})
        );
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let documents = documents("a: 1\nlist:\n  - name: x\n    1: y\n").unwrap();
        let Content::Mapping(entries) = &documents[0].content else {
            panic!("{documents:?}");
        };
        assert_eq!(entries[1].position, Some(Position { line: 2, column: 1 }));
        let Content::List(items) = &entries[1].value.content else {
            panic!("{entries:?}");
        };
        let Content::Mapping(item) = &items[0].content else {
            panic!("{items:?}");
        };
        assert_eq!(item[1].key, "1");
        assert_eq!(item[1].position, Some(Position { line: 4, column: 5 }));
        assert_eq!(
            item[1].value.position,
            Some(Position { line: 4, column: 8 })
        );
    }

    #[test]
    fn anchors_and_merge_keys_work() {
        assert_eq!(
            one("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n"),
            json!({"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 3}})
        );
    }

    #[test]
    fn several_documents_and_none() {
        assert_eq!(documents("a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert_eq!(documents("# only a comment\n").unwrap().len(), 0);
    }

    #[test]
    fn broken_yaml_says_where() {
        let error = documents("a: [1, 2\nb: 3\n").unwrap_err();
        assert!(error.position.is_some(), "{error:?}");
        let error = documents("a: 1\na: 2\n").unwrap_err();
        assert_eq!(error.position.map(|at| at.line), Some(2), "{error:?}");
        assert_eq!(error.message, "a: the key stands here a second time");
        let error = documents("a: b: c\n").unwrap_err();
        assert!(error.message.contains("needs quotes"), "{error:?}");
        let error = documents("a: .inf\n").unwrap_err();
        assert!(error.message.contains("must be finite"), "{error:?}");
        for text in ["a: {~: b}\n", "? [x]\n: y\n"] {
            let error = documents(text).unwrap_err();
            assert!(error.message.contains("a key must"), "{error:?}");
        }
    }
}
