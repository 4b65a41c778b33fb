//! `log_formatter`: how a log line is shown.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value};

use super::engine;
use super::render::TemplateError;

/// A compiled `log_formatter`.
#[derive(Debug)]
pub struct LogFormatter(Environment<'static>);

const NAME: &str = "line";

/// How many steps the template may take for one line.
const FUEL: u64 = 50_000;

impl LogFormatter {
    /// Compiles `template`, which may name `container` and `message`.
    ///
    /// # Errors
    /// If the template is broken or names something else.
    pub fn new(template: &str) -> Result<Self, TemplateError> {
        let fail = |what: String| TemplateError {
            failures: vec![("log_formatter".to_owned(), what)],
        };
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_fuel(Some(FUEL));
        engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        engine
            .add_template_owned(NAME, template.to_owned())
            .map_err(|error| fail(engine::explain(template, &Value::UNDEFINED, &error)))?;
        let formatter = Self(engine);
        // A try tells about unknown names now and not in the middle of a log.
        formatter
            .try_format("base", "")
            .map_err(|error| fail(engine::explain(template, &names("base", ""), &error)))?;
        Ok(formatter)
    }

    /// The line as it is shown. A line that the template fails on is shown as it is.
    #[must_use]
    pub fn format(&self, container: &str, message: &str) -> String {
        self.try_format(container, message)
            .unwrap_or_else(|_| message.to_owned())
    }

    fn try_format(&self, container: &str, message: &str) -> Result<String, minijinja::Error> {
        self.0.get_template(NAME)?.render(names(container, message))
    }
}

fn names(container: &str, message: &str) -> Value {
    Value::from(BTreeMap::from([
        ("container", Value::from(container)),
        ("message", Value::from(message)),
    ]))
}
