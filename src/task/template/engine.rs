//! The template engine, and what it says when a template fails.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// How many steps one template may take, so that a loop in a task file cannot hold up a daemon.
const FUEL: u64 = 1_000_000;

/// Strict: a name that is not there is an error and never empty text.
pub(super) static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // A block of text keeps the newline that it was written with.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine
});

/// Whether a text can be anything but itself.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders `text`. The error is a sentence for the user, without values.
pub(super) fn render(text: &str, context: &Value) -> Result<String, String> {
    ENGINE
        .template_from_str(text)
        .and_then(|template| template.render(context.clone()))
        .map_err(|error| explain(text, context, &error))
}

/// What is wrong, in words that name what is missing.
pub(super) fn explain(text: &str, context: &Value, error: &Error) -> String {
    if error.kind() == ErrorKind::UndefinedError
        && let Some(missing) = missing_names(text, context)
    {
        return format!("{missing} is not defined");
    }
    let detail = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| format!("{}: {detail}", error.kind()),
    );
    match error.line() {
        Some(line) => format!("the template fails at its line {line}: {detail}"),
        None => format!("the template fails: {detail}"),
    }
}

fn missing_names(text: &str, context: &Value) -> Option<String> {
    let template = ENGINE.template_from_str(text).ok()?;
    let mut missing: Vec<String> = template
        .undeclared_variables(true)
        .into_iter()
        .filter(|path| !is_defined(path, context))
        .collect();
    missing.sort();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn is_defined(path: &str, context: &Value) -> bool {
    let mut value = context.clone();
    for name in path.split('.') {
        match value.get_attr(name) {
            Ok(next) if !next.is_undefined() => value = next,
            Ok(_) | Err(_) => return false,
        }
    }
    true
}
