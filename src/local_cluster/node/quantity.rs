//! Kubernetes quantities, as far as scheduling and the downward API need them.

/// A quantity in thousandths of its unit; none if it does not parse.
#[must_use]
pub fn millis(text: &str) -> Option<i128> {
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(digits.len());
    let (number, suffix) = digits.split_at_checked(end)?;
    let scaled = decimal(number)?.checked_mul(factor(suffix)?)?;
    let rounded = scaled.div_euclid(1_000_000) + i128::from(scaled.rem_euclid(1_000_000) > 0);
    Some(if text.starts_with('-') {
        -rounded
    } else {
        rounded
    })
}

/// Millionths of a plain decimal number.
fn decimal(number: &str) -> Option<i128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut micros = whole.checked_mul(1_000_000)?;
    let mut place = 100_000;
    for digit in part.chars() {
        micros += i128::from(digit.to_digit(10)?) * place;
        place /= 10;
    }
    Some(micros)
}

/// How many thousandths of the unit `suffix` stands for.
fn factor(suffix: &str) -> Option<i128> {
    const K: i128 = 1000;
    const KI: i128 = 1024;
    let thousandths = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => K * 1000,
        "M" => K.pow(2) * 1000,
        "G" => K.pow(3) * 1000,
        "T" => K.pow(4) * 1000,
        "P" => K.pow(5) * 1000,
        "E" => K.pow(6) * 1000,
        "Ki" => KI * 1000,
        "Mi" => KI.pow(2) * 1000,
        "Gi" => KI.pow(3) * 1000,
        "Ti" => KI.pow(4) * 1000,
        "Pi" => KI.pow(5) * 1000,
        "Ei" => KI.pow(6) * 1000,
        exponent => {
            let power = exponent.strip_prefix(['e', 'E'])?.parse::<u32>().ok()?;
            10_i128.checked_pow(power)?.checked_mul(1000)?
        }
    };
    Some(thousandths)
}

/// How many of `divisor` there are in `quantity`, rounded up; both as written.
#[must_use]
pub fn divided(quantity: &str, divisor: &str) -> Option<i128> {
    let (quantity, divisor) = (millis(quantity)?, millis(divisor)?);
    if divisor <= 0 {
        return None;
    }
    Some(quantity.div_euclid(divisor) + i128::from(quantity.rem_euclid(divisor) > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("1", 1000),
            ("100m", 100),
            ("0.5", 500),
            ("1.5k", 1_500_000),
            ("64Mi", 64 * 1024 * 1024 * 1000),
            ("1e3", 1_000_000),
            ("0", 0),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        for text in ["", "m", "1x", "1.2.3", "abc"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn division_rounds_up() {
        assert_eq!(divided("250m", "1"), Some(1));
        assert_eq!(divided("250m", "1m"), Some(250));
        assert_eq!(divided("1Gi", "1Mi"), Some(1024));
        assert_eq!(divided("1", "0"), None);
    }
}
