//! The store: an SQLite file or a PostgreSQL server, and every line of SQL in this crate.
//!
//! One writer task owns the only writing connection and commits what arrives together in one
//! transaction (`writer`); readers work beside it. Every change of a task's state goes through
//! [`crate::task::state::apply`] (`transition`), is guarded by the task's fence, and is written
//! with everything that must agree with it. No transaction spans a Kubernetes call, and `now` is
//! always bound.
//!
//! Knows the vocabulary in `task` and nothing else of this crate.

mod backup;
mod change_set;
mod checkup;
mod claim;
mod clock_step;
mod commit;
mod connections;
mod counting;
mod disposals;
mod engines;
mod error;
mod feed;
mod file;
mod inspect;
mod listing;
mod log_blocks;
mod logs;
mod many_rows;
mod moving;
mod open;
mod over_time;
mod own_sql;
mod pods;
mod restore;
mod retention;
mod rounds;
mod rows;
mod server;
mod sql;
mod starts;
mod submit;
mod transaction;
mod transition;
mod triggers;
mod writer;

pub use backup::BackupError;
pub use checkup::{Checkup, DanglingRow, OpenDisposal, PodOnRecord};
pub use claim::{Claimed, Lapsed, Scope};
pub use commit::{Renewal, StepCommit};
pub use disposals::DueDisposal;
pub use engines::{EngineKind, EngineLimits, EngineRow};
pub use error::StoreError;
pub use feed::ChangeRow;
pub use inspect::{HistoryRow, TriggerRow};
pub use listing::TaskFilter;
pub use logs::{LogRow, StoredCursor};
pub use moving::{Difference, MoveError, Moved, MovedTable, Progress, Unlike, migrate};
pub use open::Store;
pub use over_time::{FlowRow, PodMoments, WaitRow};
pub use own_sql::{SqlCell, SqlTable};
pub use restore::restore;
pub use retention::PruneStep;
pub use rows::TaskRow;
pub use server::{is_on_server, shown};
pub use starts::StartLimits;
pub use submit::{NewTask, Submitted};
pub use triggers::StoredTrigger;

#[cfg(test)]
mod plan_tests;
