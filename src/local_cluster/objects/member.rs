//! Single members of a JSON text, read without a tree of the rest; and the one that is exchanged.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The value at the end of `path`.
pub(super) fn value(json: &[u8], path: &[&str]) -> Option<Value> {
    find(json, path, PhantomData)
}

/// The text at the end of `path`; none if there is something else.
pub(super) fn text<'a>(json: &'a [u8], path: &[&str]) -> Option<Cow<'a, str>> {
    find(json, path, Text)
}

/// The same object under another resource version; none if its own is not written plainly.
pub(super) fn with_version(json: &[u8], version: u64) -> Option<Vec<u8>> {
    let Cow::Borrowed(found) = text(json, &["metadata", "resourceVersion"])? else {
        return None;
    };
    // What is borrowed is a part of the text.
    let at = found.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
    let (before, rest) = json.split_at_checked(at)?;
    let after = rest.get(found.len()..)?;
    Some([before, version.to_string().as_bytes(), after].concat())
}

fn find<'de, S: DeserializeSeed<'de>>(json: &'de [u8], path: &[&str], end: S) -> Option<S::Value> {
    let mut found = None;
    let way = Way {
        path,
        end,
        found: &mut found,
    };
    // What comes after the member is not read, which counts as an error: the member was found, or
    // it is not there.
    let _ = way.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

/// The rest of the way to a member.
struct Way<'a, V, S> {
    path: &'a [&'a str],
    end: S,
    found: &'a mut Option<V>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Way<'_, S::Value, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(self.end.deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Way<'_, S::Value, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some((wanted, path)) = self.path.split_first() else {
            return Ok(());
        };
        while let Some(hit) = members.next_key_seed(Named(wanted))? {
            if hit {
                return members.next_value_seed(Way {
                    path,
                    end: self.end,
                    found: self.found,
                });
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Whether a member has this name.
struct Named<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Reads a text, without a copy where it is written plainly.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JSON: &[u8] = br#"{"kind":"Pod","metadata":{"labels":{"a/b":"1","q\"":"x\ny"},
        "resourceVersion":"9"},"list":[1,2],"status":{"phase":"Running"}}"#;

    #[test]
    fn members_are_found_where_they_are_and_nowhere_else() {
        assert_eq!(
            value(JSON, &["metadata", "labels"]),
            Some(json!({"a/b": "1", "q\"": "x\ny"}))
        );
        assert_eq!(value(JSON, &["list"]), Some(json!([1, 2])));
        assert_eq!(text(JSON, &["metadata", "labels", "a/b"]).unwrap(), "1");
        assert_eq!(text(JSON, &["metadata", "labels", "q\""]).unwrap(), "x\ny");
        assert_eq!(text(JSON, &["status", "phase"]).unwrap(), "Running");
        for path in [
            &["phase"][..],
            &["list"],
            &["list", "0"],
            &["kind", "name"],
            &["metadata", "name"],
            &["a"],
        ] {
            assert_eq!(text(JSON, path), None, "{path:?}");
        }
    }

    #[test]
    fn only_the_version_is_exchanged() {
        let labelled = br#"{"metadata":{"labels":{"resourceVersion":"9"},"resourceVersion":"9"}}"#;
        assert_eq!(
            String::from_utf8(with_version(labelled, 10).unwrap()).unwrap(),
            r#"{"metadata":{"labels":{"resourceVersion":"9"},"resourceVersion":"10"}}"#
        );
        assert_eq!(with_version(br#"{"metadata":{"name":"x"}}"#, 10), None);
    }
}
