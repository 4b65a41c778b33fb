//! How the reference takes a log line apart: a lenient time, and a level word.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc, Weekday};

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedLine<'a> {
    /// The time before the first space, cut to microseconds, if it reads as one.
    pub timestamp: Option<DateTime<FixedOffset>>,
    /// What follows; the whole line, newline included, if there is no time.
    pub message: &'a str,
}

/// Takes a log line apart: a time, one space, the message.
#[must_use]
pub fn parse_log_line(line: &str) -> ParsedLine<'_> {
    let trimmed = line.trim_end_matches('\n');
    let (head, message) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
    match lenient_time(head) {
        Some(timestamp) => ParsedLine {
            timestamp: Some(timestamp),
            message,
        },
        None => ParsedLine {
            timestamp: None,
            message: line,
        },
    }
}

fn lenient_time(text: &str) -> Option<DateTime<FixedOffset>> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = lenient_date(date)?;
    let utc = Utc.fix();
    let Some(time) = time else {
        return utc
            .from_local_datetime(&date.and_time(NaiveTime::MIN))
            .single();
    };
    let (clock, offset) = split_offset(time, utc)?;
    let clock = ["%H:%M:%S%.f", "%H:%M", "%H%M%S%.f", "%H%M", "%H"]
        .iter()
        .find_map(|form| parse_clock(clock, form))?;
    // Microseconds are all that the reference keeps.
    let clock = chrono::Timelike::with_nanosecond(
        &clock,
        chrono::Timelike::nanosecond(&clock) / 1000 * 1000,
    )?;
    offset
        .from_local_datetime(&NaiveDateTime::new(date, clock))
        .single()
}

trait Fix {
    fn fix(self) -> FixedOffset;
}

impl Fix for Utc {
    fn fix(self) -> FixedOffset {
        chrono::Offset::fix(&self)
    }
}

fn parse_clock(text: &str, form: &str) -> Option<NaiveTime> {
    if form == "%H" {
        // chrono reads no hour alone.
        let hour = (text.len() == 2).then(|| text.parse().ok())??;
        return NaiveTime::from_hms_opt(hour, 0, 0);
    }
    NaiveTime::parse_from_str(text, form).ok()
}

fn split_offset(time: &str, utc: FixedOffset) -> Option<(&str, FixedOffset)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, utc));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, utc));
    };
    let (clock, offset) = time.split_at(at);
    let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = if digits.len() == 4 {
        digits[2..].parse().ok()?
    } else {
        0
    };
    let seconds = hours * 3600 + minutes * 60;
    let offset = if offset.starts_with('-') {
        FixedOffset::west_opt(seconds)
    } else {
        FixedOffset::east_opt(seconds)
    }?;
    Some((clock, offset))
}

/// A year, a month, a week, a day; with dashes or without.
fn lenient_date(text: &str) -> Option<NaiveDate> {
    if !text.is_ascii() {
        return None;
    }
    let year: i32 = digits(text.get(..4)?)?;
    let rest = text[4..].strip_prefix('-').unwrap_or(&text[4..]);
    let dashed = text[4..].starts_with('-');
    if let Some(week) = rest.strip_prefix('W') {
        let (week, day) = match (week.len(), week.as_bytes().get(2)) {
            (2, None) => (week, 1),
            (3, Some(_)) => (&week[..2], digits(&week[2..])?),
            (4, Some(b'-')) => (&week[..2], digits(&week[3..])?),
            _ => return None,
        };
        let weekday = Weekday::try_from(u8::try_from(day).ok()?.checked_sub(1)?).ok()?;
        return NaiveDate::from_isoywd_opt(year, digits(week)?, weekday);
    }
    match (rest.len(), dashed) {
        (0, false) => NaiveDate::from_ymd_opt(year, 1, 1),
        (2, true) => NaiveDate::from_ymd_opt(year, digits(rest)?, 1),
        (3, _) => NaiveDate::from_yo_opt(year, digits(rest)?),
        (4, false) => NaiveDate::from_ymd_opt(year, digits(&rest[..2])?, digits(&rest[2..])?),
        (5, true) if rest.as_bytes()[2] == b'-' => {
            NaiveDate::from_ymd_opt(year, digits(&rest[..2])?, digits(&rest[3..])?)
        }
        _ => None,
    }
}

fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// How serious a line is, as its own first word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// As usual; also every line that says nothing.
    Info,
    /// Somebody should look.
    Warning,
    /// Something failed.
    Error,
    /// Everything failed.
    Critical,
}

impl LogLevel {
    /// The reference's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The reference's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Debug => 10,
            Self::Info => 20,
            Self::Warning => 30,
            Self::Error => 40,
            Self::Critical => 50,
        }
    }
}

/// The level that a message begins with, in any case, after white space and one `[`.
///
/// The word need not end: `ERRORS are` is an error, as in the reference.
#[must_use]
pub fn level_of(message: &str) -> LogLevel {
    let start = message.trim_start();
    let start = start.strip_prefix('[').unwrap_or(start);
    [
        ("DEBUG", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("WARN", LogLevel::Warning),
        ("ERROR", LogLevel::Error),
        ("CRITICAL", LogLevel::Critical),
        ("FATAL", LogLevel::Critical),
    ]
    .into_iter()
    .find(|(word, _)| {
        start
            .get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    })
    .map_or(LogLevel::Info, |(_, level)| level)
}

/// Whether a message opens or closes a foldable group; such a line is shown without a prefix.
#[must_use]
pub fn is_log_group_marker(message: &str) -> bool {
    message.starts_with("::group::") || message.starts_with("::endgroup::")
}
