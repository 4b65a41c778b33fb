//! A pod's name: made fit from what the user wrote or from the task's name, and made unique.

use deunicode::deunicode;
use rand::{Rng, RngExt};
use uuid::Uuid;

/// The longest name that the builder makes; with it the name is also a valid host name.
pub const LONGEST_POD_NAME: usize = 63;

/// The longest name that a user may ask for.
pub const LONGEST_GIVEN_NAME: usize = 220;

/// How many random characters a suffix has.
pub const SUFFIX_LENGTH: usize = 8;

/// Where random names come from.
pub trait Names {
    /// `length` characters out of `a` to `z` and `0` to `9`.
    fn suffix(&mut self, length: usize) -> String;
    /// A random UUID of version 4.
    fn uuid(&mut self) -> Uuid;
}

/// Names drawn from a random number generator.
#[derive(Debug)]
pub struct RandomNames<R> {
    random: R,
    suffix: Option<String>,
}

impl<R: Rng> RandomNames<R> {
    /// Draws from `random`.
    pub fn new(random: R) -> Self {
        Self {
            random,
            suffix: None,
        }
    }

    /// Uses `suffix` in place of a random one, for a look at what would be sent.
    #[must_use]
    pub fn with_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }
}

impl<R: Rng> Names for RandomNames<R> {
    fn suffix(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        self.suffix.clone().unwrap_or_else(|| {
            (0..length)
                .map(|_| char::from(ALPHABET[self.random.random_range(0..ALPHABET.len())]))
                .collect()
        })
    }

    fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }
}

/// A name that no pod can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is too long.
    #[error("must have at most {LONGEST_GIVEN_NAME} characters, has {0}")]
    TooLong(usize),
    /// It is empty or has characters that no name may have.
    #[error(
        "must be made of letters, digits, dashes, dots and underscores, and must not be empty: {0:?}"
    )]
    Characters(String),
    /// It has two dots in a row.
    #[error("must not have two dots in a row: {0:?}")]
    TwoDots(String),
    /// There is nothing to make a name from.
    #[error("there is neither a dag_id nor a task_id to make a name from")]
    Nothing,
}

/// The name parameter in the form that goes into a pod: lower case, other characters as dashes.
///
/// # Errors
/// If the name is too long, empty, or has characters that no name may have.
pub fn normalise(name: &str) -> Result<String, InvalidName> {
    let length = name.chars().count();
    if length > LONGEST_GIVEN_NAME {
        return Err(InvalidName::TooLong(length));
    }
    // One newline at the end passes, as in the reference; it becomes a dash below.
    let checked = name.strip_suffix('\n').unwrap_or(name);
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if checked.is_empty() || !checked.chars().all(allowed) {
        return Err(InvalidName::Characters(name.to_owned()));
    }
    if name.contains("..") {
        return Err(InvalidName::TwoDots(name.to_owned()));
    }
    let kept = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    Ok(collapse(&name.to_lowercase(), kept))
}

/// Each run of characters that `kept` refuses becomes one dash.
fn collapse(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut result = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        if kept(c) {
            result.push(c);
            in_run = false;
        } else if !in_run {
            result.push('-');
            in_run = true;
        }
    }
    result
}

/// `name` cut and stripped so that it fits with a dash and `suffix` into `max_length`.
#[must_use]
pub fn with_suffix(name: &str, suffix: &str, max_length: usize) -> String {
    let room = i64::try_from(max_length).unwrap_or(i64::MAX)
        - i64::try_from(suffix.chars().count() + 1).unwrap_or(i64::MAX);
    // No room at all cuts from the end instead, as slices of the reference's language do.
    let cut: String = match usize::try_from(room) {
        Ok(room) => name.chars().take(room).collect(),
        Err(_) => {
            let drop = usize::try_from(room.unsigned_abs()).unwrap_or(usize::MAX);
            let keep = name.chars().count().saturating_sub(drop);
            name.chars().take(keep).collect()
        }
    };
    format!("{}-{suffix}", strip_ends(&cut))
}

/// A name made from a group's and a task's name, without a suffix.
///
/// # Errors
/// If both are absent or empty.
pub fn from_ids(
    dag_id: Option<&str>,
    task_id: Option<&str>,
    max_length: usize,
) -> Result<String, InvalidName> {
    let ids: Vec<&str> = [dag_id, task_id]
        .into_iter()
        .flatten()
        .filter(|id| !id.is_empty())
        .collect();
    if ids.is_empty() {
        return Err(InvalidName::Nothing);
    }
    let cut: String = slug(&ids.join("-")).chars().take(max_length).collect();
    Ok(strip_ends(&cut).to_owned())
}

fn strip_ends(text: &str) -> &str {
    text.trim_matches(['-', '.'])
}

/// Lower-case ASCII letters and digits, everything between them one dash.
fn slug(text: &str) -> String {
    // An apostrophe separates; what only becomes one by transliteration does not.
    let ascii = deunicode(&text.replace('\'', "-"))
        .replace('\'', "")
        .to_lowercase();
    let mut characters = Vec::with_capacity(ascii.len());
    let bytes = ascii.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        // A comma between digits groups thousands and separates nothing.
        let groups_digits = byte == b','
            && index > 0
            && bytes[index - 1].is_ascii_digit()
            && bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
        if !groups_digits {
            characters.push(char::from(byte));
        }
    }
    let text: String = characters.into_iter().collect();
    collapse(&text, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
        .trim_matches('-')
        .to_owned()
}
