//! How long ago something was, in a few letters.

use jiff::Timestamp;

/// The time since `moment`, as in `5m20s`.
pub(crate) fn age(moment: Option<&str>) -> String {
    let Some(moment) = moment.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = Timestamp::now().as_second() - moment.as_second();
    short(seconds)
}

/// Seconds in at most two units; the second one only while the first is small.
fn short(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |large: i64, letter: &str, small: i64, small_letter: &str, rest: i64| {
        let (whole, part) = (seconds / large, rest / small);
        if part == 0 {
            format!("{whole}{letter}")
        } else {
            format!("{whole}{letter}{part}{small_letter}")
        }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, "m", 1, "s", seconds % MINUTE),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, "h", MINUTE, "m", seconds % HOUR),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, "d", HOUR, "h", seconds % DAY),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        _ => two(YEAR, "y", DAY, "d", seconds % YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (-1, "0s"),
            (7, "7s"),
            (119, "119s"),
            (120, "2m"),
            (320, "5m20s"),
            (3600, "60m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ] {
            assert_eq!(short(seconds), text);
        }
    }
}
