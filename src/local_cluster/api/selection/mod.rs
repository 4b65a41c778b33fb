//! Which objects a list or a watch is about.

mod field;
mod label;

use super::query::ListOptions;
use super::refusal::Refusal;
use crate::local_cluster::objects::{Narrow, Object, Resource};

/// A label selector and a field selector; an object must satisfy both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    labels: Vec<label::Requirement>,
    fields: Vec<field::Term>,
    /// Only the object of this name, for the old watch path.
    name: Option<String>,
}

impl Selection {
    /// Reads the selectors of `options`.
    pub fn parse(resource: Resource, options: &ListOptions) -> Result<Self, Refusal> {
        Ok(Self {
            labels: match &options.label_selector {
                Some(text) => label::parse(text)?,
                None => Vec::new(),
            },
            fields: match &options.field_selector {
                Some(text) => field::parse(resource, text)?,
                None => Vec::new(),
            },
            name: None,
        })
    }

    /// The same, of one object only.
    pub fn named(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty() && self.name.is_none()
    }

    /// What is known of the selected objects that leads to few of them at once.
    pub fn narrow(&self) -> Option<Narrow<'_>> {
        let demanded = |path| self.fields.iter().find_map(|term| term.demanded(path));
        let name = || self.name.as_deref().or_else(|| demanded("metadata.name"));
        demanded("involvedObject.uid")
            .map(Narrow::InvolvedUid)
            .or_else(|| name().map(Narrow::Name))
            .or_else(|| demanded("involvedObject.name").map(Narrow::InvolvedName))
            // An empty value is one that is not there, which no index knows.
            .filter(|one| match one {
                Narrow::Name(text) | Narrow::InvolvedUid(text) | Narrow::InvolvedName(text) => {
                    !text.is_empty()
                }
            })
    }

    /// Whether `object` is selected. Reads nothing but what the selectors name.
    pub fn matches(&self, object: &Object) -> bool {
        self.labels.iter().all(|one| one.matches(object))
            && self.fields.iter().all(|one| one.matches(object))
            && self.name.as_ref().is_none_or(|name| {
                object.text(&["metadata", "name"]).as_deref() == Some(name.as_str())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whether_an_object_is_selected_is_read_from_its_bytes() {
        let pod = Object::from(json!({
            "metadata": {"name": "p", "labels": {"app": "x"}},
            "status": {"phase": "Running"},
        }))
        .packed();
        let options = ListOptions {
            label_selector: Some("app in (x, y),!other".to_owned()),
            field_selector: Some("status.phase!=Failed".to_owned()),
            ..ListOptions::default()
        };
        let selection = Selection::parse(Resource::Pod, &options).unwrap();
        let named = selection.clone().named(Some("q".to_owned()));
        assert!(selection.matches(&pod));
        assert!(!named.matches(&pod));
        assert!(!pod.has_tree());
    }
}
