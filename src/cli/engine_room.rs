//! Everything that the command line asks of the engine, the operators and their clusters.

use super::error::{CliError, sentence};
use super::situation::Situation;
use crate::engine::{Engine, EngineOptions, EngineSettings, live_daemon};
use crate::operator::Operators;
use crate::operator::pod::{self, PodOperator, PodOperatorSettings, reach};
use crate::pod::client::Connections;
use crate::pod::watch::PodWatchHub;
use crate::service::Service;
use crate::store::{EngineKind, Scope};
use crate::task::file::TaskFile;
use crate::trigger::Triggers;
use crate::trigger::pod::PodTriggers;
