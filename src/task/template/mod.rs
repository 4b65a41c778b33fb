//! Rendering of templated parameters.
//!
//! Pure: the moment, the run's names and the allowed environment variables are handed in as a
//! [`TemplateContext`]. A name that is not defined is an error that says which field and which
//! name; there is no silent empty text.

mod context;
mod engine;
mod log_formatter;
mod moment;
mod render;

#[cfg(test)]
mod tests;

pub use context::TemplateContext;
pub use log_formatter::LogFormatter;
pub use render::{TemplateError, render, render_text};
