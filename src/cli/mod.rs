//! The command line: words into wishes, answers into text.
//!
//! Data goes to stdout, everything else to stderr. Every error is told in one place (`entry`)
//! and mapped to an exit code in one place (`exit`). Commands speak to the service; only `run`,
//! `serve` and `cancel` start an engine, through `engine_room`, and only `cluster` and `--local`
//! know the local cluster, through `local`.

mod api;
mod args;
mod backup;
mod cancel;
mod cluster;
mod completions;
mod describe;
mod doctor;
mod dry_run;
mod engine_room;
mod entry;
mod error;
pub mod exit;
mod fault;
mod follow;
mod get;
mod get_watch;
mod input;
mod lines;
mod live;
mod local;
mod logs;
mod man;
mod migrate;
mod moments;
mod notify;
mod output;
mod phases;
mod prune;
mod reload;
mod restore;
mod retry;
mod run;
mod schema;
mod serve;
mod signals;
mod situation;
mod sql;
mod submit;
mod table;
mod tasks;
mod token;
mod top;
mod wait;
mod xcom;

pub use args::Cli;
pub use completions::answered;
pub use entry::run;
