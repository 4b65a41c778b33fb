//! The spellings that the API server takes: names, label keys and values, quantities.

/// What is wrong with `text` as a name made of one part, such as a container's.
pub(super) fn dns_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some(format!(
            "must have at most 63 characters, has {}",
            text.len()
        ));
    }
    (!is_dns_label(text)).then(|| {
        format!(
            "{text:?} is not allowed: use lower-case letters, digits and dashes, \
             beginning and ending with a letter or digit"
        )
    })
}

/// What is wrong with `text` as a name that may have dots, such as a pod's.
pub(super) fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > 253 {
        return Some(format!(
            "must have at most 253 characters, has {}",
            text.len()
        ));
    }
    (!text.split('.').all(is_dns_label)).then(|| {
        format!(
            "{text:?} is not allowed: use lower-case letters, digits, dashes and dots, \
             each part beginning and ending with a letter or digit"
        )
    })
}

fn is_dns_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().next_back())
}

/// What is wrong with `text` as the key of a label, an annotation or a resource.
pub(super) fn qualified_name(text: &str) -> Option<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix
        && let Some(fault) = dns_subdomain(prefix)
    {
        return Some(format!("before the slash, {fault}"));
    }
    if name.len() > 63 {
        return Some(format!(
            "the key must have at most 63 characters, has {}",
            name.len()
        ));
    }
    (!is_label_word(name)).then(|| {
        "the key is not allowed: use letters, digits, dashes, underscores and dots, beginning and \
         ending with a letter or digit, with at most one slash after a domain"
            .to_owned()
    })
}

/// What is wrong with `text` as the value of a label.
pub(super) fn label_value(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some(format!(
            "must have at most 63 characters, has {}",
            text.len()
        ));
    }
    (!text.is_empty() && !is_label_word(text)).then(|| {
        format!(
            "{text:?} is not allowed: use letters, digits, dashes, underscores and dots, \
             beginning and ending with a letter or digit"
        )
    })
}

/// What is wrong with `text` as the name of an environment variable.
pub(super) fn variable_name(text: &str) -> Option<String> {
    let allowed = |c: char| (c.is_ascii_graphic() || c == ' ') && c != '=';
    (!text.chars().all(allowed))
        .then(|| format!("{text:?} is not allowed: use printable ASCII characters other than ="))
}

/// What is wrong with `text` as the name of a port.
pub(super) fn port_name(text: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = text.len() <= 15
        && text.chars().all(inner)
        && text.chars().any(|c| c.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    (!fits).then(|| {
        format!(
            "{text:?} is not allowed: use at most 15 lower-case letters, digits and single \
             dashes, with at least one letter"
        )
    })
}

/// A quantity in billionths, or nothing if `text` is none.
pub(super) fn quantity(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let (factor, exponent) = scale(suffix)?;
    let exponent = exponent + 9 - i32::try_from(places).ok()?;
    let scaled = digits.saturating_mul(factor);
    let value = if exponent >= 0 {
        scaled.saturating_mul(10_i128.saturating_pow(exponent.unsigned_abs()))
    } else {
        // What is smaller than a billionth is rounded up, as the API server does.
        let divisor = 10_i128.saturating_pow(exponent.unsigned_abs());
        scaled / divisor + i128::from(scaled % divisor != 0)
    };
    Some(if negative { -value } else { value })
}

/// A suffix as a factor and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 0));
    match suffix {
        "" => Some((1, 0)),
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix
                .strip_prefix(['e', 'E'])?
                .parse()
                .ok()
                .filter(|exponent: &i32| exponent.abs() <= 30)?;
            Some((1, exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_exactly() {
        assert_eq!(quantity("300m"), quantity("0.3"));
        assert_eq!(quantity("1Gi"), quantity("1024Mi"));
        assert_eq!(quantity("1e3"), quantity("1k"));
        assert!(quantity("1G") < quantity("1Gi"));
        assert!(quantity("-1") < quantity("0"));
        for wrong in ["", "1x", "Gi", "1.2.3", "1 Gi", "1gi", "--1", "1e", "."] {
            assert_eq!(quantity(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_may_have_a_domain_in_front() {
        for right in ["a", "app.kubernetes.io/name", "nvidia.com/gpu", "A_b.c-d"] {
            assert_eq!(qualified_name(right), None, "{right}");
        }
        for wrong in ["", "/a", "a/", "a/b/c", "A.B/c", "-a", "a b", "ä"] {
            assert!(qualified_name(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn names_have_few_characters() {
        assert_eq!(dns_label("base-1"), None);
        assert_eq!(dns_subdomain("a.b-c"), None);
        for wrong in ["", "-a", "a-", "A", "a_b", "a.b", &"a".repeat(64)] {
            assert!(dns_label(wrong).is_some(), "{wrong}");
        }
        for wrong in ["", "a..b", ".a", "a.", "A.b", &"a".repeat(254)] {
            assert!(dns_subdomain(wrong).is_some(), "{wrong}");
        }
        assert_eq!(port_name("http-1"), None);
        for wrong in ["", "1", "a--b", "HTTP", "sixteen-letters-x"] {
            assert!(port_name(wrong).is_some(), "{wrong}");
        }
        assert_eq!(variable_name("a.b-c 1"), None);
        assert!(variable_name("a=b").is_some());
        assert!(variable_name("ä").is_some());
    }
}
