//! Amounts such as `100m` and `1Gi`, and the tags of images.

/// Whether `text` has the form of an amount.
pub(super) fn is_quantity(text: &str) -> bool {
    parse(text).is_some()
}

/// The amount in units of one.
pub(super) fn parse(text: &str) -> Option<f64> {
    let end = text
        .char_indices()
        .find(|(at, letter)| {
            !(letter.is_ascii_digit() || *letter == '.' || (*at == 0 && "+-".contains(*letter)))
        })
        .map_or(text.len(), |(at, _)| at);
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => {
            let power: i32 = exponent
                .strip_prefix(['e', 'E'])
                .and_then(|power| power.parse().ok())?;
            10.0_f64.powi(power)
        }
    };
    Some(number * scale)
}

/// The tag of an image's name; none if it has neither tag nor digest.
pub(super) fn tag_of(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next().unwrap_or(image);
    if let Some((_, digest)) = last.split_once('@') {
        return Some(digest);
    }
    last.split_once(':').map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_suffix() {
        assert_eq!(parse("100m"), Some(0.1));
        assert_eq!(parse("1Gi"), Some(1_073_741_824.0));
        assert_eq!(parse("1e3"), Some(1000.0));
        for bad in ["1x", "", "m", "1 Gi", "--1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_image_has_a_tag_a_digest_or_neither() {
        assert_eq!(tag_of("busybox"), None);
        assert_eq!(tag_of("registry:5000/busybox"), None);
        assert_eq!(tag_of("registry:5000/busybox:1"), Some("1"));
        assert_eq!(tag_of("busybox@sha256:00"), Some("sha256:00"));
    }
}
