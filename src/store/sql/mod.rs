//! Asking either engine: an SQLite file or a PostgreSQL server.
//!
//! The text of every statement in the store is SQLite's; [`dialect`] says what PostgreSQL is told
//! in its place, and is the one place where the two differ in what they are asked. Values are
//! numbers, texts and bytes, and a row gives them back as whatever they stand for.

mod connection;
mod dialect;
mod postgres;
mod row;
mod statement;
mod value;

pub(super) use connection::{Connection, Pool};
pub(super) use postgres::{Patience, Server, answered, is_lost};
pub(super) use row::Row;
pub(super) use statement::{query, query_as, query_scalar};
pub(super) use value::Value;
