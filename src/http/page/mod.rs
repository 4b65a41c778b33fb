//! The web page of `serve`: what the API knows, as HTML that is made here.
//!
//! `routes` says what is where, `gate` who may come in and which headers every answer has,
//! `session` keeps a token in a cookie (`login` is its form). `list`, `task` (with `log` and
//! `timeline`) and `overview` (with `charts`,
//! `chart` and `requests`) are the pages, `wish` is what their forms ask for;
//! `render` makes HTML of all of them, `fault` of every problem, and `assets` holds the style
//! sheet and the script.
//!
//! Everything works without the script: it keeps a page up to date by asking for it again, follows
//! a log, and listens to keys. Drawings are SVG from the templates. Nothing is fetched from
//! elsewhere, and the content security policy says so.
//!
//! Invariant: no text reaches a page unescaped. The templates escape all that they are given, and
//! none of them says otherwise.

mod assets;
mod chart;
mod charts;
mod fault;
mod form;
mod gate;
mod list;
mod log;
mod login;
mod overview;
mod render;
mod requests;
mod routes;
mod session;
mod task;
mod timeline;
mod wish;

pub(super) use routes::routes;
pub(super) use session::credential;
