//! The task file: what a user may write, parsed once and strictly.
//!
//! [`parse`] turns a text into [`TaskFile`]s or tells everything that is wrong with it, each fault
//! with its line, its column and the nearest known name. What comes out needs no second look:
//! Kubernetes objects in it fit the types of the API, and the three security contexts and the
//! plain maps are passed on as they are.
//!
//! Pure: the files that a task names are read by the caller (see
//! [`TaskFile::attach_template_file`]).

pub(crate) mod api_type;
pub(crate) mod attribute_name;
mod choices;
mod definition;
pub(in crate::task) mod keys;
pub(in crate::task) mod kind;
mod limits;
mod names;
mod parameters;
mod parse;
mod pod_text;
pub(crate) mod problem;
mod schema;
pub(crate) mod seconds;
pub(crate) mod yaml;
mod yaml_words;

pub use choices::{
    Callback, CallbackEvent, ContainerSelection, DeployType, OnFinishAction, OnKillAction,
    PullSecrets, SecretMount, SelectedContainers, SkipCodes, Webhook,
};
pub use definition::{TaskFile, UnknownForm};
pub use limits::{DEEPEST, LARGEST_FILE, MOST_TASKS, too_large};
pub use parameters::PodParameters;
pub use parse::{from_value, parse};
pub use pod_text::read_pod;
pub use problem::{Problem, Stage, TaskFileErrors};
pub use schema::json_schema;
pub use yaml::Position;
