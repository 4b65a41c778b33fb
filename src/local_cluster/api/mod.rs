//! The API server: Kubernetes' HTTP interface to the cluster's objects.
//!
//! It knows what requests and answers look like and what an object must hold; how pods come to
//! life is the node's affair. The part that it serves answers as a real server does, down to the
//! reason of each refusal; everything else is a plain 404 or 405.

mod access;
mod cause;
mod create;
mod decode;
mod delete;
mod discovery;
mod dispatch;
mod events;
mod eviction;
mod exec;
mod faults;
mod form;
mod gzip;
mod list;
mod logs;
mod media;
mod metadata;
mod metrics;
mod names;
mod namespaces;
mod openapi;
mod ownership;
mod patch;
mod pods;
mod protobuf;
mod query;
mod refusal;
mod selection;
mod serve;
mod strategic;
mod table;
mod target;
mod update;
mod watch;

pub use serve::{Api, serve};
