//! What the command line and the HTTP API share: every question about tasks and every wish.
//!
//! Answers plain values that serialise as they are shown. Works beside a live daemon: all that
//! it writes goes through the store's fenced transitions.
//!
//! `intake` takes tasks in, `tasks` holds what is asked about them one by one, `bulk` what is wished for many, `feed` what
//! is followed (a log, the changes of states), `stats` what is counted, `overview` what happened
//! lately; `view`, `line` and `words` are the answers: as documents, as log lines, as sentences.

mod bulk;
mod feed;
mod intake;
mod line;
mod overview;
mod stats;
mod tasks;
mod view;
pub mod words;

pub use bulk::{BulkDone, BulkFilter, BulkRefused};
pub use feed::{ChangeFeed, LogFollow, LogPart};
pub use intake::fresh_run_id;
pub use line::{LineView, LogFilter, LogStyle, stamp as log_stamp};
pub use overview::{Lately, Slot};
pub use stats::{EngineView, Stats};
pub use tasks::{Service, ServiceError};
pub use view::{
    ChangeView, HistoryView, PodView, StateName, SubmittedView, TaskDetail, TaskView,
    TriggerOfTask, TriggerView,
};
