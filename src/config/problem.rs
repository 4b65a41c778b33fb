//! What is wrong with the settings: every fault at once, each with its place.

use std::fmt;

/// One fault of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Line and column, both from 1, if it stands in a file.
    pub position: Option<(usize, usize)>,
    /// What is wrong with which setting, and what would be right.
    pub message: String,
}

/// Everything that is wrong with one source of settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The file's name, or `environment`.
    pub origin: String,
    /// Its faults, in the order of the text.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.position {
                Some((line, column)) => write!(f, "{}:{line}:{column}: ", self.origin)?,
                None => write!(f, "{}: ", self.origin)?,
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

/// The known name that a wrong one most likely stands for.
pub(super) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&wrong, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len().min(wrong.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The words for a name that nothing knows.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("{name} is no {what}, did you mean {near}?"),
        None => {
            let known: Vec<&str> = known.into_iter().collect();
            format!("{name} is no {what}, there are {}", known.join(", "))
        }
    }
}
