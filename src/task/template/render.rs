//! Rendering the templated parameters of a task.
//!
//! Which parts of a Kubernetes object are rendered is the reference's choice: of a variable its
//! name and value, of a volume its name and what it claims or mounts, and so on. Keys of maps are
//! never rendered.

use serde_json::Value;

use super::context::TemplateContext;
use super::engine;
use crate::task::file::PodParameters;
use crate::task::file::keys;
use crate::task::file::kind::Kind;
use crate::task::file::problem::{child, element};

/// Why a task's templates cannot be rendered: every field that fails, with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .failures.iter().map(|(path, what)| format!("{path}: {what}")).collect::<Vec<_>>().join("\n"))]
pub struct TemplateError {
    /// Each field's path and what is wrong there.
    pub failures: Vec<(String, String)>,
}

/// The parameters with every templated field rendered.
///
/// # Errors
/// Every field whose template is broken or names something that is not defined.
pub fn render(
    parameters: &PodParameters,
    context: &TemplateContext,
) -> Result<PodParameters, TemplateError> {
    let fail = |what: String| TemplateError {
        failures: vec![("pod".to_owned(), what)],
    };
    let mut value = serde_json::to_value(parameters).map_err(|error| fail(error.to_string()))?;
    let mut rendering = Rendering {
        renderer: engine::Renderer::new(),
        context: context.to_value(),
        failures: Vec::new(),
        changed: false,
    };
    for key in keys::all().filter(|key| key.templated) {
        if let Some(field) = value.get_mut(key.name) {
            rendering.field(key.kind, field, key.name);
        }
    }
    if !rendering.failures.is_empty() {
        return Err(TemplateError {
            failures: rendering.failures,
        });
    }
    if !rendering.changed {
        return Ok(parameters.clone());
    }
    serde_json::from_value(value).map_err(|error| fail(error.to_string()))
}

/// Renders one text that belongs to `field`, such as the path of a template file.
///
/// # Errors
/// If the template is broken or names something that is not defined.
pub fn render_text(
    field: &str,
    text: &str,
    context: &TemplateContext,
) -> Result<String, TemplateError> {
    if !engine::is_template(text) {
        return Ok(text.to_owned());
    }
    engine::Renderer::new()
        .render(text, &context.to_value())
        .map_err(|what| TemplateError {
            failures: vec![(field.to_owned(), what)],
        })
}

struct Rendering {
    renderer: engine::Renderer,
    context: minijinja::Value,
    failures: Vec<(String, String)>,
    changed: bool,
}

impl Rendering {
    fn field(&mut self, kind: Kind, value: &mut Value, path: &str) {
        match (kind, value) {
            (Kind::Objects(name), Value::Array(items)) => self.objects(name, items, path),
            (Kind::Environment, Value::Array(items)) => self.objects("EnvVar", items, path),
            (Kind::Object("ResourceRequirements"), value) => {
                self.members(value, &["limits", "requests"], path);
            }
            // A pod as a plain map: every text in it.
            (
                Kind::Text
                | Kind::Texts
                | Kind::Scalars
                | Kind::FreeMap
                | Kind::Environment
                | Kind::Object("Pod"),
                value,
            ) => self.every_text(value, path),
            (
                Kind::Word(_)
                | Kind::Boolean
                | Kind::Integer { .. }
                | Kind::Seconds
                | Kind::Object(_)
                | Kind::Objects(_)
                | Kind::Containers
                | Kind::PullSecrets
                | Kind::ExitCodes
                | Kind::Backoff
                | Kind::LineTemplate
                | Kind::Secrets
                | Kind::Callbacks,
                _,
            ) => {}
        }
    }

    fn objects(&mut self, type_name: &str, items: &mut [Value], path: &str) {
        let members: &[&str] = match type_name {
            "EnvVar" => &["name", "value"],
            "Volume" => &["name", "persistentVolumeClaim.claimName", "configMap.name"],
            "VolumeMount" => &["name", "subPath"],
            "EnvFromSource" => &["configMapRef.name"],
            _ => &[],
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.members(item, members, &element(path, index));
        }
    }

    /// Renders the members that `names` gives as dotted paths.
    fn members(&mut self, object: &mut Value, names: &[&str], path: &str) {
        for name in names {
            let pointer = format!("/{}", name.replace('.', "/"));
            if let Some(member) = object.pointer_mut(&pointer) {
                self.every_text(member, &format!("{path}.{name}"));
            }
        }
    }

    fn every_text(&mut self, value: &mut Value, path: &str) {
        match value {
            Value::String(text) => {
                if !engine::is_template(text) || self.renderer.is_exhausted() {
                    return;
                }
                match self.renderer.render(text, &self.context) {
                    Ok(rendered) => {
                        *text = rendered;
                        self.changed = true;
                    }
                    Err(what) => self.failures.push((path.to_owned(), what)),
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.every_text(item, &element(path, index));
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    self.every_text(value, &child(path, key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
