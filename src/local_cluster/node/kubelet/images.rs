//! Images: names only. Nothing is pulled; which of them "exist" is a setting.

use sha2::{Digest, Sha256};

/// The registry that a bare name belongs to.
const USUAL_REGISTRY: &str = "docker.io";

/// The whole name of an image: registry, repository and tag.
#[must_use]
pub fn resolved(image: &str) -> String {
    let (name, suffix) = split(image);
    let name = match name.split_once('/') {
        Some((first, _)) if is_registry(first) => name.to_owned(),
        Some(_) => format!("{USUAL_REGISTRY}/{name}"),
        None => format!("{USUAL_REGISTRY}/library/{name}"),
    };
    if suffix.is_empty() {
        format!("{name}:latest")
    } else {
        format!("{name}{suffix}")
    }
}

/// A stand-in for the digest that a pulled image would have.
#[must_use]
pub fn id(image: &str) -> String {
    let digest = Sha256::digest(resolved(image));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// What is wrong with the name of an image, if anything is.
#[must_use]
pub fn fault(image: &str) -> Option<String> {
    let (name, suffix) = split(image);
    let parts: Vec<&str> = name.split('/').collect();
    let from = usize::from(parts.len() > 1 && parts.first().is_some_and(|one| is_registry(one)));
    let repository = parts.get(from..).unwrap_or_default();
    let why = if image.trim().is_empty() {
        "it is empty".to_owned()
    } else if repository
        .concat()
        .chars()
        .any(|letter| letter.is_ascii_uppercase())
    {
        format!(
            "repository name ({}) must be lowercase",
            repository.join("/")
        )
    } else if repository.is_empty() || !repository.iter().all(|one| is_component(one)) {
        "the repository name has an empty part or a character that is not allowed".to_owned()
    } else if !is_suffix(suffix) {
        format!("{suffix:?} is neither a tag nor a digest")
    } else {
        return None;
    };
    Some(format!(
        "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format: {why}"
    ))
}

/// Name, and tag or digest with its mark.
fn split(image: &str) -> (&str, &str) {
    let tag_from = image.rfind('/').map_or(0, |slash| slash + 1);
    let marks = image.find('@').or_else(|| {
        let last = image.get(tag_from..)?;
        last.find(':').map(|colon| tag_from + colon)
    });
    match marks {
        Some(mark) => image.split_at(mark),
        None => (image, ""),
    }
}

fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

fn is_component(part: &str) -> bool {
    let allowed = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-".contains(letter)
    };
    !part.is_empty() && part.chars().all(allowed)
}

fn is_suffix(suffix: &str) -> bool {
    let tag = |text: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        !text.is_empty() && text.len() <= 128 && text.chars().all(allowed)
    };
    match suffix.split_at_checked(1) {
        None => true,
        Some((":", text)) => tag(text),
        Some(("@", digest)) => digest.split_once(':').is_some_and(|(kind, hex)| {
            tag(kind) && hex.len() >= 32 && hex.chars().all(|letter| letter.is_ascii_hexdigit())
        }),
        Some(_) => false,
    }
}

/// Whether `pattern`, in which `*` stands for anything, fits `image` as written or in full.
#[must_use]
pub fn fits(pattern: &str, image: &str) -> bool {
    matches(pattern, image) || matches(pattern, &resolved(image))
}

fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return left.is_empty();
    };
    for part in parts {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        assert_eq!(resolved("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(resolved("a/b:1"), "docker.io/a/b:1");
        assert_eq!(resolved("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(
            resolved("reg.example/a@sha256:0f"),
            "reg.example/a@sha256:0f"
        );
        assert_eq!(id("busybox"), id("docker.io/library/busybox:latest"));
    }

    #[test]
    fn names_that_do_not_parse_are_told_apart() {
        for good in [
            "busybox",
            "busybox:1.36",
            "reg.example:5000/Upper".to_lowercase().as_str(),
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        assert_eq!(
            fault("BAD//Name:::").unwrap(),
            "Failed to apply default image tag \"BAD//Name:::\": couldn't parse image name \
             \"BAD//Name:::\": invalid reference format: repository name (BAD//Name) must be lowercase"
        );
        for bad in ["", "a//b", "a b", "a:", "a:b:c", "a@sha256:xyz", "/a"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn patterns_fit_the_written_and_the_whole_name() {
        assert!(fits("busybox*", "busybox:1.36"));
        assert!(fits("docker.io/library/*", "busybox"));
        assert!(fits("*", "anything"));
        assert!(fits("reg/*/x:*", "reg/a/b/x:1"));
        assert!(!fits("busybox", "alpine"));
        assert!(!fits("a*b", "a"));
    }
}
