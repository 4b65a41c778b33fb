//! Every key that a task file may hold: one table for parsing, for the schema, and for templates.

mod container;
mod engine;
mod key;
mod run;
mod spec;

pub(crate) use key::{ELSEWHERE, Key, Owner, all, find};
