//! What a form sends, and links that say what a form would.

use crate::http::problem::{Problem, ProblemKind};
use crate::http::tasks::is_state;
use crate::service::BulkFilter;
use crate::task::id::TaskId;

/// Names and values, in their order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads what was sent, or what stands behind a question mark.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The last value of a name, unless it is empty: a field that nobody filled in asks for
    /// nothing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// Every value of a name that is not empty.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A whole number from 0 on.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.get(name)
            .map(|text| {
                let number = text.parse().ok().filter(|number| *number >= 0);
                number.ok_or_else(|| usage(format!("{name} must be a whole number, not {text:?}")))
            })
            .transpose()
    }

    /// Which tasks are meant.
    pub(super) fn filter(&self) -> Result<BulkFilter, Problem> {
        let states: Vec<String> = self.all("state").map(str::to_owned).collect();
        if let Some(wrong) = states.iter().find(|state| !is_state(state)) {
            return Err(usage(format!("{wrong:?} is no state of a task")));
        }
        let ids = self.all("id").map(|text| {
            let id = text.parse().map(TaskId);
            id.map_err(|_| usage(format!("{text:?} is no id of a task")))
        });
        let owned = |name| self.get(name).map(str::to_owned);
        Ok(BulkFilter {
            ids: ids.collect::<Result<_, _>>()?,
            states,
            dag_id: owned("dag_id"),
            task_id: owned("task_id"),
            run_id: owned("run_id"),
        })
    }

    /// Where to go back to: a place of ours, whatever was sent.
    pub(super) fn next(&self) -> &str {
        self.get("next").filter(|to| is_ours(to)).unwrap_or("/")
    }
}

/// Whether a place is on this server: what a browser would take for another host is not.
fn is_ours(place: &str) -> bool {
    place.starts_with('/')
        && !place.starts_with("//")
        && !place.contains('\\')
        && !place.chars().any(char::is_control)
}

fn usage(detail: String) -> Problem {
    Problem::new(ProblemKind::Usage, detail)
}

/// The filter as it stands behind a question mark, without the ids.
pub(super) fn pairs(filter: &BulkFilter) -> Vec<(&'static str, String)> {
    let states = filter.states.iter().map(|state| ("state", state.clone()));
    let names = [
        ("dag_id", &filter.dag_id),
        ("task_id", &filter.task_id),
        ("run_id", &filter.run_id),
    ];
    let names = names
        .into_iter()
        .filter_map(|(name, value)| value.clone().map(|value| (name, value)));
    states.chain(names).collect()
}

/// A link to `path` with what stands behind its question mark.
pub(super) fn link(path: &str, pairs: &[(&str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name, value);
    }
    format!("{path}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for (sent, taken) in [
            ("next=%2Ftasks%2F1%3Fq%3Da", "/tasks/1?q=a"),
            ("next=%2F%2Fevil.example", "/"),
            ("next=https%3A%2F%2Fevil.example", "/"),
            ("next=%2F%5Cevil.example", "/"),
            ("next=%2F%0D%0Aa", "/"),
            ("", "/"),
        ] {
            assert_eq!(Form::read(sent.as_bytes()).next(), taken, "{sent}");
        }
    }

    #[test]
    fn a_filter_comes_back_as_it_went() {
        let sent = "state=failed&state=queued&dag_id=a%26b&task_id=&run_id=r";
        let filter = Form::read(sent.as_bytes()).filter().unwrap();
        assert_eq!(filter.task_id, None);
        let again = link("/", &pairs(&filter));
        assert_eq!(again, "/?state=failed&state=queued&dag_id=a%26b&run_id=r");
        assert!(Form::read(b"state=lost").filter().is_err());
        assert!(Form::read(b"id=x").filter().is_err());
    }
}
