//! What PostgreSQL is told in place of SQLite's words.
//!
//! Each rule is about a phrase that the store uses and PostgreSQL spells otherwise. A statement
//! that none of them can turn is listed whole.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use super::super::submit;

/// Phrases, and what stands for them, one after the other: a phrase with another one in it is first.
const PHRASES: &[(&str, &str)] = &[
    // A JSON list of texts, or of numbers.
    (
        "owner IN (SELECT value FROM json_each(?",
        "owner IN (SELECT value FROM json_array_elements_text(json ?",
    ),
    (
        "(SELECT value FROM json_each(?",
        "(SELECT value::bigint FROM json_array_elements_text(json ?",
    ),
    // It chooses its indexes itself; `+` in front of a column only speaks to SQLite's choice.
    (" AND +", " AND "),
];

/// Statements that are another text as a whole.
const WHOLE: &[(&str, &str)] = &[(
    submit::STORED,
    "SELECT tasks.id, tasks.dag_id, tasks.task_id, tasks.run_id, tasks.map_index,
            tasks.operator, tasks.definition
     FROM json_array_elements($1::json) AS one (value)
     JOIN tasks ON tasks.dag_id = one.value ->> 0 AND tasks.task_id = one.value ->> 1
               AND tasks.run_id = one.value ->> 2
               AND tasks.map_index = (one.value ->> 3)::bigint",
)];

/// Texts that were turned before. Statements are constants of this crate, or put together from them
/// in few lengths, so that there are not many.
static TURNED: LazyLock<RwLock<HashMap<String, Arc<str>>>> = LazyLock::new(RwLock::default);

/// How many are remembered: lists and filters are put together in more ways than are asked often.
const REMEMBERED: usize = 4096;

/// The statement in PostgreSQL's words.
pub(in crate::store) fn postgres_text(sqlite: &str) -> Arc<str> {
    let known = TURNED
        .read()
        .ok()
        .and_then(|texts| texts.get(sqlite).cloned());
    if let Some(known) = known {
        return known;
    }
    let turned: Arc<str> = turn(sqlite).into();
    if let Ok(mut texts) = TURNED.write()
        && texts.len() < REMEMBERED
    {
        texts.insert(sqlite.to_owned(), turned.clone());
    }
    turned
}

fn turn(sqlite: &str) -> String {
    if let Some((_, whole)) = WHOLE.iter().find(|(text, _)| *text == sqlite) {
        return (*whole).to_owned();
    }
    let mut text = without_index_hints(sqlite);
    for (phrase, instead) in PHRASES {
        text = text.replace(phrase, instead);
    }
    numbered(&text)
}

/// Without `INDEXED BY name`.
fn without_index_hints(sqlite: &str) -> String {
    const HINT: &str = " INDEXED BY ";
    let mut parts = sqlite.split(HINT);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        text.push_str(name.map_or("", |end| &part[end..]));
    }
    text
}

/// `?` and `?3` as `$1` and `$3`; a list of JSON (`json ?3`) with its type.
fn numbered(sqlite: &str) -> String {
    let mut text = String::with_capacity(sqlite.len() + 16);
    let mut rest = sqlite;
    let mut next = 1;
    while let Some(at) = rest.find('?') {
        let before = &rest[..at];
        let is_list = before.ends_with("(json ");
        text.push_str(
            before
                .strip_suffix("json ")
                .filter(|_| is_list)
                .unwrap_or(before),
        );
        rest = &rest[at + 1..];
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number = rest[..digits].parse().unwrap_or(next);
        rest = &rest[digits..];
        next = next.max(number) + 1;
        text.push_str(&format!("${number}"));
        if is_list {
            text.push_str("::json");
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_in_their_order() {
        assert_eq!(turn("VALUES (?, ?), (?, ?)"), "VALUES ($1, $2), ($3, $4)");
        assert_eq!(
            turn("a = ?2 AND b = ?1 LIMIT ?3"),
            "a = $2 AND b = $1 LIMIT $3"
        );
    }

    #[test]
    fn lists_are_taken_apart_as_what_they_hold() {
        assert_eq!(
            turn(
                "owner IN (SELECT value FROM json_each(?2)) AND id IN (SELECT value FROM json_each(?3))"
            ),
            "owner IN (SELECT value FROM json_array_elements_text($2::json)) AND \
             id IN (SELECT value::bigint FROM json_array_elements_text($3::json))"
        );
    }

    #[test]
    fn hints_about_indexes_are_left_out() {
        assert_eq!(
            turn("SELECT 1 FROM tasks INDEXED BY tasks_running\n WHERE x AND +dag_id = ?"),
            "SELECT 1 FROM tasks\n WHERE x AND dag_id = $1"
        );
    }
}
