//! The daemon's HTTP API: requests into questions and wishes, answers into documents.
//!
//! An edge like `cli`: everything that is asked goes through `service`, and what may be asked by
//! whom is decided in `guard` before anything else sees a request. `problem` is how every error is
//! told. Answers that go on (`stream`) are read as fast as their reader reads. `page` is the web page:
//! the same answers for people.
//!
//! Invariant: a request costs the engine nothing but its share of the machine: readers are the
//! API's own, and what is wished for goes through the same writer as all else.

mod access;
mod bulk;
mod guard;
mod health;
mod log;
mod metrics;
mod page;
mod problem;
mod query;
mod router;
mod schema;
mod server;
mod stream;
mod submit;
mod tasks;
mod tls;
mod token_file;

pub use access::Access;
pub use problem::{PROBLEM, Problem, ProblemKind};
pub use router::document;
pub use server::{ApiOptions, ApiSettings, Server, ServerError, handler};
pub use submit::DEFINITIONS;
pub use tls::{TlsError, acceptor};
pub use token_file::{Token, TokenError, TokenFile};
