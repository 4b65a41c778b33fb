//! What stands in a request's path and behind its question mark: read strictly, told like the
//! command line tells it.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::problem::{Problem, ProblemKind};
use crate::task::id::TaskRef;

fn usage(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Usage, detail)
}

/// The parts of the path that are names.
pub(super) struct Names(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| usage("the path is not UTF-8 once it is decoded"))?;
        let names = names.iter();
        Ok(Self(
            names
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}

impl Names {
    /// The part that the route calls `name`.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The task that the path names.
    pub(super) fn task(&self) -> Result<TaskRef, Problem> {
        read("task", self.get("task"))
    }
}

/// What stands behind the question mark.
pub(super) struct Asked {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            pairs: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            known: Vec::new(),
        })
    }
}

impl Asked {
    /// Every value of a parameter.
    pub(super) fn all<T>(&mut self, name: &'static str) -> Result<Vec<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.known.push(name);
        let mut values = Vec::new();
        let mut rest = Vec::with_capacity(self.pairs.len());
        for (key, value) in self.pairs.drain(..) {
            if key == name {
                values.push(value);
            } else {
                rest.push((key, value));
            }
        }
        self.pairs = rest;
        values.iter().map(|value| read(name, value)).collect()
    }

    /// The value of a parameter that may be given once.
    pub(super) fn one<T>(&mut self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        let mut values = self.all(name)?;
        if values.len() > 1 {
            return Err(usage(format!("{name} is given more than once")));
        }
        Ok(values.pop())
    }

    /// A number within bounds, or what holds when none is given.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
        otherwise: i64,
    ) -> Result<i64, Problem> {
        match self.one::<i64>(name)? {
            None => Ok(otherwise),
            Some(number) if bounds.contains(&number) => Ok(number),
            Some(number) => Err(usage(format!(
                "{name}: must be a whole number from {} to {}, not {number}",
                bounds.start(),
                bounds.end()
            ))),
        }
    }

    /// `true` or `false`; `false` when neither is given.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        Ok(self.one::<bool>(name)?.unwrap_or(false))
    }

    /// Refuses what nobody asked for: it is most likely misspelt.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) if self.known.is_empty() => {
                Err(usage(format!("{name:?} is no parameter: this takes none")))
            }
            Some((name, _)) => Err(usage(format!(
                "{name:?} is no parameter, there are {}",
                self.known.join(", ")
            ))),
        }
    }
}

fn read<T>(name: &str, value: &str) -> Result<T, Problem>
where
    T: FromStr,
    T::Err: Display,
{
    value
        .parse()
        .map_err(|error: T::Err| usage(format!("{name}: {error}, and it is {value:?}")))
}
