//! How an attempt ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pods::Disposal;

/// Why an attempt did not succeed, as far as an exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The work itself failed.
    Failed,
    /// The pod could not start: image, scheduling, or a start timeout.
    CouldNotStart,
    /// `execution_timeout` passed.
    TimedOut,
}

impl FailureKind {
    /// The word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::CouldNotStart => "could_not_start",
            Self::TimedOut => "timed_out",
        }
    }

    /// The kind that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "failed" => Some(Self::Failed),
            "could_not_start" => Some(Self::CouldNotStart),
            "timed_out" => Some(Self::TimedOut),
            _ => None,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an attempt leaves behind; stored together with its verdict.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ending {
    /// Why it ended as it did, in words for a person.
    pub reason: String,
    /// What a person can do about it, if anything can be said.
    pub advice: Option<String>,
    /// The exit code that decided, if one did.
    pub exit_code: Option<i32>,
    /// What the last look at its pod showed, for people: the pod's name and what was seen.
    pub observed: Option<(String, serde_json::Value)>,
    /// The task's result.
    pub result: Option<serde_json::Value>,
    /// What is to become of its pods.
    pub disposals: Vec<Disposal>,
}
