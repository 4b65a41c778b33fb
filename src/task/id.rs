//! What a task is called: its row id, its key, and the fence that guards writes to it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A task's short name inside one installation: what `submit` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The natural key of a task: submitting the same key twice is the same task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// The group of tasks that this one belongs to.
    pub dag_id: String,
    /// The task's own name inside the group.
    pub task_id: String,
    /// Which run of the group.
    pub run_id: String,
    /// Which of several mapped instances; -1 when the task is not mapped.
    pub map_index: i32,
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.dag_id, self.task_id, self.run_id)?;
        if self.map_index >= 0 {
            write!(f, "/{}", self.map_index)?;
        }
        Ok(())
    }
}

impl TaskKey {
    /// The moment that the run stands for, where its name tells: what follows the two underscores
    /// of names such as `scheduled__2026-11-24T08:00:00+00:00`.
    #[must_use]
    pub fn logical_date(&self) -> Option<Timestamp> {
        let (_, moment) = self.run_id.split_once("__")?;
        let moment = DateTime::parse_from_rfc3339(moment).ok()?;
        Some(moment.with_timezone(&Utc))
    }
}

/// Rises at every claim and every resume. A write that carries an old fence is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);

impl Fence {
    /// The fence that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How a person names a task: by its id, or as `dag_id/task_id/run_id[/map_index]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskRef {
    /// The number that `submit` printed.
    Id(TaskId),
    /// The natural key.
    Key(TaskKey),
}

/// A text that names no task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no task: give the id that submit printed, or dag_id/task_id/run_id[/map_index]"
)]
pub struct InvalidTaskRef(pub String);

impl FromStr for TaskRef {
    type Err = InvalidTaskRef;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse::<i64>() {
            return Ok(Self::Id(TaskId(id)));
        }
        let invalid = || InvalidTaskRef(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let (names, map_index) = match parts.as_slice() {
            [dag_id, task_id, run_id] => ([*dag_id, *task_id, *run_id], -1),
            [dag_id, task_id, run_id, map_index] => (
                [*dag_id, *task_id, *run_id],
                map_index.parse().map_err(|_| invalid())?,
            ),
            _ => return Err(invalid()),
        };
        if names.iter().any(|name| name.is_empty()) {
            return Err(invalid());
        }
        let [dag_id, task_id, run_id] = names.map(str::to_owned);
        Ok(Self::Key(TaskKey {
            dag_id,
            task_id,
            run_id,
            map_index,
        }))
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Key(key) => key.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_what_it_prints() {
        for map_index in [-1, 0, 7] {
            let key = TaskKey {
                dag_id: "etl".into(),
                task_id: "load".into(),
                run_id: "manual__2026-11-24T08:00:00+00:00".into(),
                map_index,
            };
            assert_eq!(key.to_string().parse(), Ok(TaskRef::Key(key)));
        }
    }

    #[test]
    fn a_run_that_is_named_after_a_moment_stands_for_it() {
        let of = |run_id: &str| {
            let key = TaskKey {
                dag_id: "etl".into(),
                task_id: "load".into(),
                run_id: run_id.into(),
                map_index: -1,
            };
            key.logical_date().map(|moment| moment.to_rfc3339())
        };
        for run_id in [
            "scheduled__2026-11-24T08:00:00+00:00",
            "manual__2026-11-24T10:00:00+02:00",
            "backfill__2026-11-24T08:00:00Z",
        ] {
            assert_eq!(of(run_id).unwrap(), "2026-11-24T08:00:00+00:00", "{run_id}");
        }
        for run_id in [
            "monday",
            "manual__monday",
            "2026-11-24T08:00:00Z",
            "a__b__c",
        ] {
            assert_eq!(of(run_id), None, "{run_id}");
        }
    }

    #[test]
    fn a_number_is_an_id_and_half_a_key_is_refused() {
        assert_eq!("17".parse(), Ok(TaskRef::Id(TaskId(17))));
        for text in ["", "a", "a/b", "a//c", "a/b/c/x", "a/b/c/1/2"] {
            assert!(text.parse::<TaskRef>().is_err(), "{text}");
        }
    }
}
