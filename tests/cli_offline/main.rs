//! The program as a person or a script uses it, as far as no cluster is needed.

mod databases;
mod dry_run;
mod sandbox;
mod serve;
mod settings;
mod tasks;
mod usage;
