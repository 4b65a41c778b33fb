//! A container, whatever it is made of.

use std::io;

use crate::local_cluster::node::made_up::MadeUp;
use crate::local_cluster::node::runtime::{ContainerHandle, News};
use crate::local_cluster::node::shim::dir::ContainerDir;

/// A container that was made.
#[derive(Debug)]
pub enum Handle {
    /// A process behind a shim.
    Process(ContainerHandle),
    /// Nothing at all.
    MadeUp(MadeUp),
}

impl Handle {
    /// Waits for the next news.
    ///
    /// # Errors
    /// When its files are not readable.
    pub async fn next(&mut self) -> io::Result<News> {
        match self {
            Self::Process(container) => container.next().await,
            Self::MadeUp(made_up) => Ok(made_up.next().await),
        }
    }

    /// Where its files are, if it has any.
    #[must_use]
    pub fn dir(&self) -> Option<&ContainerDir> {
        match self {
            Self::Process(container) => Some(container.dir()),
            Self::MadeUp(_) => None,
        }
    }
}
