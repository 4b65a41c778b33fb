//! The local cluster as a whole program: the real binary's server process, asked by real clients.

mod cluster;
mod recorded;
