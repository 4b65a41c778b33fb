//! The time that the kubelet puts before each line.

use chrono::{DateTime, NaiveDate, SecondsFormat};

/// The longest stamp: date, time, nine digits, an offset.
pub(super) const LONGEST_STAMP: usize = 35;

/// How far before the cursor a read begins. Two streams of one container are stamped side by
/// side, so a line may carry a slightly older stamp than the one before it.
const OVERLAP_NS: i64 = 100_000_000;

/// Reads an RFC 3339 time, up to nine fractional digits, as nanoseconds since the Unix epoch.
///
/// Strict: the whole slice must be the time. `None` for anything else.
#[must_use]
pub fn parse_stamp(text: &[u8]) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        text.get(range)?.iter().try_fold(0_u32, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + u32::from(byte - b'0'))
        })
    };
    let is = |index: usize, byte: u8| text.get(index) == Some(&byte);
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(0..4)?).ok()?,
        number(5..7)?,
        number(8..10)?,
    )?;
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(after_dot) = rest.strip_prefix(b".") {
        let digits = after_dot
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        nanos = number(20..20 + digits)? * 10_u32.pow(9 - u32::try_from(digits).ok()?);
        rest = after_dot.get(digits..)?;
    }
    let offset_seconds = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let start = text.len() - rest.len();
            let (hours, minutes) = (number(start + 1..start + 3)?, number(start + 4..start + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let time = date.and_hms_nano_opt(number(11..13)?, number(14..16)?, number(17..19)?, nanos)?;
    time.and_utc()
        .timestamp_nanos_opt()?
        .checked_sub(offset_seconds * 1_000_000_000)
}

/// The `sinceTime` of a read that goes on after a line with that stamp; `None` from the start.
///
/// The API drops the nanoseconds and includes the whole second, so a whole second is asked for.
#[must_use]
pub fn since_time(stamp_ns: i64) -> Option<String> {
    if stamp_ns <= 0 {
        return None;
    }
    let seconds = (stamp_ns - OVERLAP_NS).div_euclid(1_000_000_000);
    DateTime::from_timestamp(seconds, 0).map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_to_the_nanosecond() {
        let base = 1_795_510_404_000_000_000;
        for (text, expected) in [
            ("2026-11-24T08:53:24.077773817Z", Some(base + 77_773_817)),
            ("2026-11-24T08:53:24.5Z", Some(base + 500_000_000)),
            ("2026-11-24T08:53:24Z", Some(base)),
            ("2026-11-24T10:53:24.000000001+02:00", Some(base + 1)),
            ("2026-11-24T06:23:24-02:30", Some(base)),
            ("1970-01-01T00:00:00.000000000Z", Some(0)),
            ("2026-11-24T08:53:24", None),
            ("2026-11-24T08:53:24.Z", None),
            ("2026-11-24T08:53:24.0000000001Z", None),
            ("2026-11-24 08:53:24Z", None),
            ("2026-13-24T08:53:24Z", None),
            ("2026-02-30T08:53:24Z", None),
            ("2026-11-24T24:53:24Z", None),
            ("2026-11-24T08:53:24Zx", None),
            ("2026-11-24T08:53:24+2:00", None),
            ("", None),
            ("unable to retrieve container logs", None),
        ] {
            assert_eq!(parse_stamp(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_read_goes_on_from_a_whole_second_that_includes_the_cursor() {
        let second = 1_795_510_404_i64;
        for (offset_ns, expected) in [
            (999_999_999, "2026-11-24T08:53:24Z"),
            (100_000_000, "2026-11-24T08:53:24Z"),
            (99_999_999, "2026-11-24T08:53:23Z"),
            (0, "2026-11-24T08:53:23Z"),
        ] {
            let since = since_time(second * 1_000_000_000 + offset_ns);
            assert_eq!(since.as_deref(), Some(expected), "{offset_ns}");
        }
        assert_eq!(since_time(0), None);
    }
}
