//! The syntax of names, labels and annotations.

/// Why `name` is not a DNS subdomain: the form of most object names.
pub(crate) fn subdomain_fault(name: &str) -> Option<&'static str> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    let good = name.split('.').all(is_label);
    (!good).then_some(
        "must be a DNS subdomain: parts of lowercase letters, digits and '-', joined by '.', \
         each beginning and ending with a letter or a digit",
    )
}

/// Why `name` cannot be one part of a path: all that the names of roles and bindings must be.
pub(crate) fn path_segment_fault(name: &str) -> Option<&'static str> {
    let good = !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
    (!good).then_some("must be a part of a path: neither '.' nor '..', without '/' and '%'")
}

/// Why `name` is not a DNS label: the form of container, volume and namespace names.
pub(crate) fn label_fault(name: &str) -> Option<&'static str> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!is_label(name)).then_some(
        "must be a DNS label: lowercase letters, digits and '-', beginning and ending with a \
         letter or a digit",
    )
}

/// Why `value` is not a label's value.
pub(crate) fn label_value_fault(value: &str) -> Option<&'static str> {
    if value.len() > 63 {
        return Some("must be no more than 63 bytes");
    }
    (!value.is_empty() && !is_qualified_part(value)).then_some(
        "must be empty, or letters, digits, '-', '_' and '.', beginning and ending with a letter \
         or a digit",
    )
}

/// Why `key` is not a label's or an annotation's key.
pub(crate) fn key_fault(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| subdomain_fault(prefix).is_some()) {
        return Some("the part before '/' must be a DNS subdomain");
    }
    if name.len() > 63 {
        return Some("the name part must be no more than 63 bytes");
    }
    (!is_qualified_part(name)).then_some(
        "the name part must be letters, digits, '-', '_' and '.', beginning and ending with a \
         letter or a digit",
    )
}

fn is_label(text: &str) -> bool {
    is_framed(
        text,
        |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        b"-",
    )
}

fn is_qualified_part(text: &str) -> bool {
    is_framed(text, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

/// Whether `text` is made of `solid` bytes and those of `soft`, with solid ones at both ends.
fn is_framed(text: &str, solid: impl Fn(u8) -> bool, soft: &[u8]) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            solid(*first)
                && solid(*last)
                && bytes.iter().all(|byte| solid(*byte) || soft.contains(byte))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_keep_their_syntax() {
        assert_eq!(subdomain_fault("a-1.b"), None);
        for bad in ["", "Bad", "bad_name", "bad-", ".a", "a..b"] {
            assert!(subdomain_fault(bad).is_some(), "{bad}");
        }
        assert_eq!(subdomain_fault(&"a".repeat(253)), None);
        assert!(subdomain_fault(&"a".repeat(254)).is_some());
        assert_eq!(label_value_fault(""), None);
        assert_eq!(label_value_fault("a_B.1"), None);
        for bad in ["-1", "a b", "a!"] {
            assert!(label_value_fault(bad).is_some(), "{bad}");
        }
        assert_eq!(key_fault("example.com/My_Name"), None);
        for bad in ["", "bad key", "a/b/c", "/x", "x/"] {
            assert!(key_fault(bad).is_some(), "{bad}");
        }
    }
}
