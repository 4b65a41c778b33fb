//! The program as a person or a script uses it, as far as no cluster is needed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, in its support as well"
)]

mod backups;
mod databases;
mod doctor;
mod dry_run;
mod logs;
mod prune;
mod sandbox;
mod serve;
mod settings;
mod tasks;
mod upgrades;
mod usage;
mod xcom;
