//! The environment and the command line of a container.

use serde_json::Value;

use super::values::{Content, Values};

/// What containers have of themselves: the variables that an image would set.
const USUAL: [(&str, &str); 2] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
];

/// The variables of `container`, in the order in which they are set.
///
/// # Errors
/// A sentence that tells which source is missing.
pub fn environment(
    container: &Value,
    hostname: &str,
    values: Values<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut set = Environment::default();
    for (name, value) in USUAL {
        set.put(name, value.to_owned());
    }
    set.put("HOSTNAME", hostname.to_owned());
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = source["prefix"].as_str().unwrap_or_default();
        for (key, value) in whole(source, values)? {
            let text = String::from_utf8_lossy(&value).into_owned();
            set.put(&format!("{prefix}{key}"), text);
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = match (variable["value"].as_str(), variable.get("valueFrom")) {
            (Some(text), _) => Some(set.expand(text)),
            (None, Some(from)) => one(container, from, values)?,
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            set.put(name, value);
        }
    }
    Ok(set.0)
}

/// Program and arguments of `container`. Without an image there is no entry point, so `command`
/// or at least `args` must say what to run.
///
/// # Errors
/// A sentence when there is nothing to run.
pub fn command(container: &Value, env: &[(String, String)]) -> Result<Vec<String>, String> {
    let set = Environment(env.to_vec());
    let words = ["command", "args"].into_iter().flat_map(|member| {
        let list = container[member].as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
    });
    let words: Vec<String> = words.map(|word| set.expand(word)).collect();
    if words.is_empty() {
        return Err(
            "no command specified: images are not pulled here, so that there is no \
            entry point; give the container a `command`"
                .to_owned(),
        );
    }
    Ok(words)
}

/// All of a ConfigMap or Secret.
fn whole(source: &Value, values: Values<'_>) -> Result<Content, String> {
    let (reference, content) = if let Some(reference) = source.get("configMapRef") {
        (reference, values.config_map(name_of(reference)))
    } else {
        let reference = &source["secretRef"];
        (reference, values.secret(name_of(reference)))
    };
    match content {
        Err(_) if reference["optional"] == true => Ok(Content::new()),
        other => other,
    }
}

/// One value; none if it is missing and may be.
fn one(container: &Value, from: &Value, values: Values<'_>) -> Result<Option<String>, String> {
    if let Some(reference) = from.get("fieldRef") {
        let path = reference["fieldPath"].as_str().unwrap_or_default();
        return values.field(path).map(Some);
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        let resource = reference["resource"].as_str().unwrap_or_default();
        let divisor = reference["divisor"].as_str().unwrap_or("1");
        return values.resource(container, resource, divisor).map(Some);
    }
    let (reference, content, kind) = if let Some(reference) = from.get("configMapKeyRef") {
        (
            reference,
            values.config_map(name_of(reference)),
            "ConfigMap",
        )
    } else {
        let reference = &from["secretKeyRef"];
        (reference, values.secret(name_of(reference)), "Secret")
    };
    let optional = reference["optional"] == true;
    let key = reference["key"].as_str().unwrap_or_default();
    match content {
        Ok(content) => match content.get(key) {
            Some(bytes) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
            None if optional => Ok(None),
            None => {
                let name = name_of(reference);
                Err(format!("couldn't find key {key} in {kind} {name}"))
            }
        },
        Err(_) if optional => Ok(None),
        Err(missing) => Err(missing),
    }
}

fn name_of(reference: &Value) -> &str {
    reference["name"].as_str().unwrap_or_default()
}

#[derive(Debug, Default)]
struct Environment(Vec<(String, String)>);

impl Environment {
    fn put(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Replaces `$(NAME)` by a variable that is set, and `$$` by `$`. What is not set stays.
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut left = text;
        while let Some(at) = left.find('$') {
            let (before, rest) = left.split_at(at);
            expanded.push_str(before);
            let rest = rest.strip_prefix('$').unwrap_or_default();
            if let Some(rest) = rest.strip_prefix('$') {
                expanded.push('$');
                left = rest;
                continue;
            }
            let named = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            let known = named.and_then(|(name, rest)| {
                let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
                Some((value, rest))
            });
            match known {
                Some((value, rest)) => {
                    expanded.push_str(value);
                    left = rest;
                }
                None => {
                    expanded.push('$');
                    left = rest;
                }
            }
        }
        expanded.push_str(left);
        expanded
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_expanded_only_if_they_are_set() {
        let set = Environment(vec![("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [
            ("$(A) $(B) $A", "1 $(B) $A"),
            ("$$(A)", "$(A)"),
            ("$(A", "$(A"),
            ("100%$", "100%$"),
            ("é$(A)é", "é1é"),
        ] {
            assert_eq!(set.expand(text), expected, "{text}");
        }
    }

    #[test]
    fn the_command_line_is_command_and_arguments() {
        let env = [("WHO".to_owned(), "world".to_owned())];
        let container = json!({"command": ["echo"], "args": ["hello", "$(WHO)"]});
        assert_eq!(
            command(&container, &env).unwrap(),
            ["echo", "hello", "world"]
        );
        assert!(
            command(&json!({}), &env)
                .unwrap_err()
                .starts_with("no command")
        );
    }
}
