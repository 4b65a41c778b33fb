//! Lengths of time as a task file has them: seconds, or a text such as `1h30m`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// What a length of time may look like, for messages.
pub(crate) const WANTED: &str =
    "a length of time of at most 100 years: seconds, or text such as 90s, 10m, 1h30m, 2d";

/// Longer than anybody waits, and short enough to be added to any moment.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Reads a number of seconds or a text such as `1h30m`.
pub(crate) fn read(value: &Value) -> Option<Duration> {
    any_length(value).filter(|length| *length <= LONGEST)
}

/// What an earlier version stored without that bound is kept as the longest.
fn read_stored(value: &Value) -> Option<Duration> {
    any_length(value).map(|length| length.min(LONGEST))
}

fn any_length(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok(),
        Value::String(text) => read_text(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Units from the longest to the shortest, each at most once.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

fn read_text(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = &rest[..end];
        rest = &rest[end..];
        let length = if unit == "ms" {
            units = [].iter();
            0.001
        } else {
            units.find(|(name, _)| *name == unit)?.1 as f64
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * length).ok()?)?;
    }
    Some(total)
}

/// The number that is stored: whole where it can be.
pub(crate) fn to_number(duration: Duration) -> Number {
    if duration.subsec_nanos() == 0 {
        duration.as_secs().into()
    } else {
        Number::from_f64(duration.as_secs_f64()).unwrap_or_else(|| duration.as_secs().into())
    }
}

/// Writes a length of time as a number of seconds.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    to_number(*duration).serialize(serializer)
}

/// Reads a length of time.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    read_stored(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(WANTED))
}

/// The same for a length of time that may be absent.
pub(crate) mod option {
    use super::{
        Deserialize, Deserializer, Duration, Error, Serialize, Serializer, Value, WANTED,
        read_stored, to_number,
    };

    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(to_number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(None);
        }
        read_stored(&value)
            .map(Some)
            .ok_or_else(|| D::Error::custom(WANTED))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_of_time_are_seconds_or_units() {
        for (value, seconds) in [
            (json!(90), 90.0),
            (json!(1.5), 1.5),
            (json!(0), 0.0),
            (json!("1h30m"), 5400.0),
            (json!("2d"), 172_800.0),
            (json!("1.5h"), 5400.0),
            (json!("10m 5s"), f64::NAN),
            (json!("250ms"), 0.25),
            (json!("1s250ms"), 1.25),
        ] {
            let read = read(&value).map(|duration| duration.as_secs_f64());
            if seconds.is_nan() {
                assert_eq!(read, None, "{value}");
            } else {
                assert_eq!(read, Some(seconds), "{value}");
            }
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for value in [
            json!(""),
            json!("5"),
            json!("m"),
            json!("5x"),
            json!("-5s"),
            json!(-1),
            json!("5m1h"),
            json!("5m5m"),
            json!("1e400s"),
            json!(1e15),
            json!("40000d"),
            json!(true),
            json!([]),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
