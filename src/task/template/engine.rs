//! The template engine, and what it says when a template fails.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// How many steps all templates of one task may take together, so that a loop in a task file
/// cannot hold up a daemon. A step pays for 64 bytes too, so memory is bounded with it.
const FUEL: u64 = 200_000;

/// The longest template, in bytes. No argument and no variable of a process can be longer than
/// half of that.
const LONGEST_TEMPLATE: usize = 256 << 10;

/// How much text all templates of one task may make together, in bytes. An API server takes no
/// pod of that size.
const MOST_OUTPUT: usize = 2 << 20;

/// Strict: a name that is not there is an error and never empty text.
pub(super) static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // A block of text keeps the newline that it was written with.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine
});

/// Whether a text can be anything but itself.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders the templates of one task, within the bounds that they share.
pub(super) struct Renderer {
    engine: Environment<'static>,
    fuel: u64,
    output: usize,
    /// How many have failed. How much those took is not known.
    failed: u64,
    exhausted: bool,
}

impl Renderer {
    pub(super) fn new() -> Self {
        Self {
            engine: ENGINE.clone(),
            fuel: FUEL,
            output: MOST_OUTPUT,
            failed: 0,
            exhausted: false,
        }
    }

    /// Renders `text`. The error is a sentence for the user, without values.
    pub(super) fn render(&mut self, text: &str, context: &Value) -> Result<String, String> {
        if text.len() > LONGEST_TEMPLATE {
            return Err(format!(
                "the template is longer than {} KiB: let the container fetch large data itself",
                LONGEST_TEMPLATE >> 10
            ));
        }
        // The n-th failure may take an n-th of the whole: all together take a few times the whole,
        // however many there are.
        self.engine.set_fuel(Some(self.fuel / (self.failed + 1)));
        let rendered = self
            .engine
            .template_from_str(text)
            .and_then(|template| {
                let captured = template.render_captured(context.clone())?;
                let left = captured.state().fuel_levels().map(|(_, left)| left);
                Ok((captured.into_output(), left))
            })
            .map_err(|error| (error.kind(), explain(text, context, &error)));
        match rendered {
            Ok((output, left)) => {
                let given = self.fuel / (self.failed + 1);
                self.fuel -= given - left.unwrap_or_default().min(given);
                match self.output.checked_sub(output.len()) {
                    Some(left) => {
                        self.output = left;
                        Ok(output)
                    }
                    None => {
                        self.exhausted = true;
                        Err(format!(
                            "the task's templates make more than {} MiB of text",
                            MOST_OUTPUT >> 20
                        ))
                    }
                }
            }
            Err((ErrorKind::OutOfFuel, what)) => {
                self.exhausted = true;
                Err(what)
            }
            Err((_, what)) => {
                self.failed += 1;
                Err(what)
            }
        }
    }

    /// Whether the bounds have been met, which was told: nothing more is rendered then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }
}

/// What is wrong, in words that name what is missing.
pub(super) fn explain(text: &str, context: &Value, error: &Error) -> String {
    if error.kind() == ErrorKind::UndefinedError
        && let Some(missing) = missing_names(text, context)
    {
        return format!("{missing} is not defined");
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return "the template takes too many steps or makes too much text: is there a loop that \
                hardly ends?"
            .to_owned();
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
    // What the engine itself has, such as `range`.
    if ENGINE.globals().any(|(name, _)| name == path) {
        return true;
    }
    let mut value = context.clone();
    for name in path.split('.') {
        match value.get_attr(name) {
            Ok(next) if !next.is_undefined() => value = next,
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// What a template does before it fails is work, too: many that fail late take a few times what
    /// one may, and each is still told what is wrong with it.
    #[test]
    fn templates_that_fail_late_share_a_bound() {
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let step = Value::from_function(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ""
        });
        let context = minijinja::context! { step };
        let text = "{% for n in range(9999) %}{{ step() }}{% endfor %}{{ nobody }}";
        let mut renderer = Renderer::new();
        assert_eq!(
            renderer.render(text, &context),
            Err("nobody is not defined".to_owned())
        );
        assert_eq!(steps.load(Ordering::Relaxed), 9999);
        let short = "{{ somebody }}";
        for _ in 0..100 {
            let _ = renderer.render(text, &context);
            assert_eq!(
                renderer.render(short, &context),
                Err("somebody is not defined".to_owned())
            );
        }
        let taken = steps.load(Ordering::Relaxed);
        assert!(taken < FUEL, "{taken}");
    }

    /// Those that do well pay for what they took, also behind one that failed.
    #[test]
    fn templates_that_do_well_share_the_whole() {
        let context = minijinja::context! { n => 1 };
        let mut renderer = Renderer::new();
        let _ = renderer.render("{{ nobody }}", &context);
        let mut done = 0;
        while renderer
            .render("{% for n in range(1000) %}{% endfor %}", &context)
            .is_ok()
        {
            done += 1;
        }
        assert!(renderer.is_exhausted());
        assert!((20..400).contains(&done), "{done}");
    }
}
