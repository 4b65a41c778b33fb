//! The attribute names that the reference's client has for the fields of the API.

use serde_json::{Map, Value};

use super::api_type::{API, Api, Shape};

/// `value`, an object of the API type `type_name`, with the attribute names that the reference's
/// client has for its fields: `envFrom` is `env_from`. Keys of free maps stay.
pub(crate) fn attribute_names(value: &Value, type_name: &str) -> Value {
    API.renamed(value, &Shape::Object(type_name.to_owned()))
}

/// A field's attribute name in the reference's client.
fn attribute_name(field: &str) -> String {
    let characters: Vec<char> = field.chars().collect();
    let mut name = String::with_capacity(field.len() + 4);
    for (index, &c) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(index + 1);
        // A word begins at an upper-case letter after a lower-case one or a digit, and at the
        // last of several upper-case letters.
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if begins {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    // Words that the client's language keeps for itself.
    match name.as_str() {
        "exec" | "continue" | "except" | "from" => format!("_{name}"),
        _ => name,
    }
}

impl Api {
    fn renamed(&self, value: &Value, shape: &Shape) -> Value {
        match (shape, value) {
            (Shape::Object(name), Value::Object(map)) => {
                let fields = self.types.get(name).map(|object| &object.fields);
                map.iter()
                    .map(
                        |(key, value)| match fields.and_then(|fields| fields.get(key)) {
                            Some(shape) => (attribute_name(key), self.renamed(value, shape)),
                            None => (key.clone(), value.clone()),
                        },
                    )
                    .collect::<Map<_, _>>()
                    .into()
            }
            (Shape::List(item), Value::Array(items)) => items
                .iter()
                .map(|value| self.renamed(value, item))
                .collect(),
            (Shape::Map(item), Value::Object(map)) => map
                .iter()
                .map(|(key, value)| (key.clone(), self.renamed(value, item)))
                .collect::<Map<_, _>>()
                .into(),
            (_, value) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_names_are_those_of_the_reference() {
        for (field, name) in [
            ("envFrom", "env_from"),
            ("hostIP", "host_ip"),
            ("podIPs", "pod_i_ps"),
            ("setHostnameAsFQDN", "set_hostname_as_fqdn"),
            ("downwardAPI", "downward_api"),
            ("targetWWNs", "target_ww_ns"),
            ("fieldsV1", "fields_v1"),
            ("exec", "_exec"),
            ("name", "name"),
        ] {
            assert_eq!(attribute_name(field), name);
        }
    }
}
