//! HTML from templates. Whatever they are given is escaped.

use std::sync::LazyLock;
use std::time::Duration;

use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use http::StatusCode;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::assets;
use super::gate::Visitor;
use crate::clock::Timestamp;
use crate::service::words;

const TEMPLATES: [(&str, &str); 10] = [
    ("base.html", include_str!("assets/base.html")),
    ("parts.html", include_str!("assets/parts.html")),
    ("list.html", include_str!("assets/list.html")),
    ("task.html", include_str!("assets/task.html")),
    ("log.html", include_str!("assets/log.html")),
    ("overview.html", include_str!("assets/overview.html")),
    ("confirm.html", include_str!("assets/confirm.html")),
    ("outcome.html", include_str!("assets/outcome.html")),
    ("login.html", include_str!("assets/login.html")),
    ("fault.html", include_str!("assets/fault.html")),
];

static ENGINE: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    engine.add_filter("ago", ago);
    engine.add_filter("moment", moment);
    engine.add_filter("word", |text: &str| text.replace('_', " "));
    engine.add_global("assets", Value::from(Serde(assets::links())));
    for (name, text) in TEMPLATES {
        engine.add_template(name, text)?;
    }
    Ok(engine)
});

/// The page that the template `name` makes of `content`.
pub(super) fn render(name: &str, visitor: &Visitor, content: impl Serialize) -> Response {
    let made = ENGINE
        .as_ref()
        .map_err(ToString::to_string)
        .and_then(|engine| {
            let visitor = context! {
                name => visitor.name.clone(),
                may_change => visitor.may_change,
                known => visitor.known,
            };
            let template = engine
                .get_template(name)
                .map_err(|error| format!("{error:#}"))?;
            template
                .render(context! { visitor, page => content_value(content) })
                .map_err(|error| format!("{error:#}"))
        });
    match made {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(template = name, error, "a page could not be made");
            let words = "this page could not be made; the daemon's log says why\n";
            (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
        }
    }
}

fn content_value(content: impl Serialize) -> Value {
    Value::from(Serde(content))
}

/// How long before, or after, `now` a moment is.
fn ago(at: &str, now: &str) -> String {
    let (Some(at), Some(now)) = (read(at), read(now)) else {
        return at.to_owned();
    };
    let between = now - at;
    let length = between.abs().to_std().unwrap_or_default();
    match between.num_milliseconds() {
        -999..=999 => "now".to_owned(),
        1000.. => format!("{} ago", rough(length)),
        _ => format!("in {}", rough(length)),
    }
}

/// A length for people, in its largest unit or its two largest ones.
pub(super) fn rough(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took.
pub(super) fn took(from: Timestamp, to: Timestamp) -> String {
    words::took((to - from).to_std().unwrap_or_default())
}

/// A moment, to the second, in words that need no explanation.
fn moment(at: &str) -> String {
    read(at).map_or_else(|| at.to_owned(), told)
}

/// A moment to the second.
pub(super) fn told(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A moment for programs.
pub(super) fn exact(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn read(at: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(at).ok()?;
    Some(at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_from_now() {
        let now = "2026-01-02T03:04:05.000Z";
        for (at, told) in [
            ("2026-01-02T03:04:04.500Z", "now"),
            ("2026-01-02T03:03:56Z", "9s ago"),
            ("2026-01-02T01:00:05Z", "2h04m ago"),
            ("2025-12-30T03:04:05Z", "3d ago"),
            ("2026-01-02T03:05:05Z", "in 1m"),
            ("no moment", "no moment"),
        ] {
            assert_eq!(ago(at, now), told);
        }
    }

    #[test]
    fn no_template_lets_a_text_through_as_it_is() {
        for (name, text) in TEMPLATES {
            for way in ["safe", "autoescape", "style=", "onclick", "javascript:"] {
                assert!(!text.contains(way), "{name} says {way}");
            }
            assert!(!text.contains("<script>"), "{name} has a script in it");
            assert!(!text.contains("://"), "{name} names another place");
        }
    }

    #[test]
    fn every_template_is_understood() {
        assert!(ENGINE.is_ok(), "{:?}", ENGINE.as_ref().err());
    }
}
