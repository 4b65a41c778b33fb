//! Who the task is and when it is tried.

use super::key::{Key, of_engine};
use crate::task::file::kind::Kind;

pub(super) const KEYS: &[Key] = &[
    of_engine(
        "task_id",
        Kind::Text,
        "The task's name inside its group. Letters, digits, dots, dashes and underscores.",
    ),
    of_engine(
        "dag_id",
        Kind::Text,
        "The group of tasks that this one belongs to.",
    ),
    of_engine(
        "run_id",
        Kind::Text,
        "Which run of the group. Submitting the same run again gives the same task. Default: manual__ and the time.",
    ),
    of_engine(
        "map_index",
        Kind::Integer {
            min: -1,
            max: i32::MAX as i64,
        },
        "Which of several mapped instances; -1 when the task is not mapped.",
    ),
    of_engine(
        "params",
        Kind::FreeMap,
        "Values for templates, as params.NAME.",
    ),
    of_engine(
        "retries",
        Kind::Integer {
            min: 0,
            max: u32::MAX as i64,
        },
        "How many tries may follow a failed one.",
    ),
    of_engine(
        "retry_delay",
        Kind::Seconds,
        "How long to wait before the next try.",
    ),
    of_engine(
        "retry_exponential_backoff",
        Kind::Backoff,
        "true doubles the delay with each try, a number multiplies it; both add jitter.",
    ),
    of_engine(
        "max_retry_delay",
        Kind::Seconds,
        "No delay between tries is longer than this.",
    ),
    of_engine(
        "execution_timeout",
        Kind::Seconds,
        "How long one try may take, the time spent deferred included.",
    ),
];
