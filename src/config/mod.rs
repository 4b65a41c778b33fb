//! Settings: what may be set, what holds when nothing is, and where it may be said.
//!
//! A flag goes before an environment variable (`ADJOURN_WORKER_SLOTS` for `slots` in
//! `[worker]`), that before the file, and the file before the default. `config/adjourn.toml`
//! lists every setting.
//!
//! Pure: whoever calls hands over the file's text and the environment.

mod changes;
mod connection;
mod known;
mod parse;
mod places;
mod problem;
mod settings;

pub use changes::{Change, changes};
pub use connection::ConnectionSettings;
pub use parse::{from_sources, misspelt_variables};
pub use places::Places;
pub use problem::{ConfigErrors, ConfigProblem};
pub use settings::{
    Config, HttpConfig, JanitorConfig, LocalClusterConfig, LogConfig, LogFormat, StoreConfig,
    TaskLogConfig, TemplateConfig, WorkerConfig,
};
