//! A moment that templates can format.

use std::fmt;
use std::sync::Arc;

use chrono::{Datelike, SecondsFormat, Timelike};
use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use crate::clock::Timestamp;

/// `logical_date` in a template: printed in ISO form, with the parts of a date and `strftime`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    /// `2026-01-05`.
    pub(super) fn ds(self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }

    /// `20260105`.
    pub(super) fn ds_nodash(self) -> String {
        self.0.format("%Y%m%d").to_string()
    }

    /// `2026-01-05T00:00:00+00:00`, with microseconds if there are any.
    pub(super) fn ts(self) -> String {
        let form = if self.0.timestamp_subsec_micros() == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Micros
        };
        self.0.to_rfc3339_opts(form, false)
    }

    /// `20260105T000000`.
    pub(super) fn ts_nodash(self) -> String {
        self.0.format("%Y%m%dT%H%M%S").to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ts())
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let moment = self.0;
        Some(match key.as_str()? {
            "year" => Value::from(moment.year()),
            "month" => Value::from(moment.month()),
            "day" => Value::from(moment.day()),
            "hour" => Value::from(moment.hour()),
            "minute" => Value::from(moment.minute()),
            "second" => Value::from(moment.second()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match (method, arguments) {
            ("isoformat", []) => Ok(Value::from(self.ts())),
            ("timestamp", []) => Ok(Value::from(self.0.timestamp_micros() as f64 / 1_000_000.0)),
            ("strftime", [format]) => {
                let format = format.as_str().unwrap_or_default();
                let items: Result<Vec<_>, _> = chrono::format::StrftimeItems::new(format).parse();
                items
                    .map(|items| {
                        Value::from(self.0.format_with_items(items.into_iter()).to_string())
                    })
                    .map_err(|_| {
                        Error::new(
                            ErrorKind::InvalidOperation,
                            "strftime wants a format such as '%Y-%m-%d'",
                        )
                    })
            }
            _ => Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("a date has no method {method} with these arguments"),
            )),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
